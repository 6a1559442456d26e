# What `make rehearse` changes of aws.tfvars, and why: everything that it does not name here is AWS's own.
name = "pulseiq-rehearsal" # beside what `pulseiq up` made

# The broker of this machine speaks plaintext, and has no signer to ask.
stream = {
  authentication = "none"
  provisioned    = { instance_type = "kafka.m7g.large", brokers = 3, volume_gb = 200 }
}

# The emulator has no TLS, and each lifecycle rule takes it a minute to confirm.
require_tls = false
retention   = null

# The emulator refuses every interval of a flow log.
network = {
  zones               = 3
  interface_endpoints = ["emr-serverless", "kms", "logs", "monitoring", "sns", "sqs", "ssm", "sts"]
  flow_logs           = false
}

# This machine has one worker, its heap beside all else.
compute = {
  limit   = { cpu = "32 vCPU", memory = "128 GB", disk = "500 GB", idle_stop = 15 }
  workers = { cores = 1, memory = "1536m", most = 1 }
}

# Nothing may stay.
force_destroy     = true
key_deletion_days = 7

# The emulator has no AWS Budgets.
alerts = { budget = null }
