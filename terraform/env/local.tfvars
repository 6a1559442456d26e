# LocalStack on this machine. `pulseiq up` adds endpoint_url, region and bootstrap_servers, which follow its variables.
environment       = "local"
name              = "pulseiq-local"
require_tls       = false # plain http on loopback
retention         = null  # an emulator takes a minute to confirm lifecycle rules
force_destroy     = true
key_deletion_days = 7
