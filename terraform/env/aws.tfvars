# AWS. What only the account's owner knows comes on the command line: region, name (free in all of AWS) and
# bootstrap_servers (of the MSK cluster).
environment       = "aws"
require_tls       = true
force_destroy     = false
key_deletion_days = 30

retention = {
  unfinished_upload_days = 7
  old_version_days       = 90
}
