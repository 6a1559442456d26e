"""What `scripts/reference` writes into the pages of docs/reference, a module for each kind of fact."""
