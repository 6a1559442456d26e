# AWS. `make apply ENV=aws` adds the region, as AWS's own variables say it. `name` follows the account's number.
environment          = "aws"
require_tls          = true
force_destroy        = false
key_deletion_days    = 30
event_retention_days = 7 # bronze keeps them longer

retention = {
  unfinished_upload_days = 7
  old_version_days       = 90
  lake_tiers             = [{ days = 30, storage_class = "INTELLIGENT_TIERING" }]
}

access_logs = { days = 90 }

network = {
  zones               = 3
  interface_endpoints = ["emr-serverless", "kms", "logs", "monitoring", "sns", "sqs", "ssm", "sts"]
  flow_logs           = true
}

# Brokers of our own choice rather than MSK Serverless, which takes messages of 8 MiB at most.
stream = {
  authentication = "iam"
  provisioned    = { instance_type = "kafka.m7g.large", brokers = 3, volume_gb = 200 }
}

compute = {
  release = "emr-spark-8.0.0"
  limit   = { cpu = "32 vCPU", memory = "128 GB", disk = "500 GB", idle_stop = 15 }
  workers = { cores = 2, memory = "7g", most = 8 } # of 2 vCPU and 8 GB, as the estimate takes them
}

catalog       = { compatibility = "BACKWARD" }
orchestration = { size = { environment_class = "mw1.small" } }

# Streams of a product that is watched must run: their silence is an alarm.
alerts = { budget = { dollars = 2000 }, watched = ["shop"] }
