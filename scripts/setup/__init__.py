"""What `scripts/bootstrap` and `scripts/lock` are made of: standard library only, because nothing is installed yet."""
