# LocalStack on this machine. `pulseiq up` adds endpoint_url and region, which follow its variables.
environment          = "local"
name                 = "pulseiq-local"
require_tls          = false # plain http on loopback
retention            = null  # an emulator takes a minute to confirm lifecycle rules
access_logs          = null
force_destroy        = true
key_deletion_days    = 7
event_retention_days = -1 # Kafka is all that is left when LocalStack ends

network = { zones = 2 }

# The broker of this machine, as localstack/extension tells it for a cluster that asks nobody who he is.
stream = {
  authentication = "none"
  provisioned    = { instance_type = "kafka.t3.small", brokers = 2, volume_gb = 10 }
}

catalog       = {}
orchestration = null # an Airflow costs 1.5 GB of memory: it is started when somebody wants it

compute = {
  limit   = { cpu = "4 vCPU", memory = "16 GB", disk = "20 GB" }
  workers = { cores = 1, memory = "1536m", most = 1 } # a driver alone; its heap beside all else on a laptop
}

alerts = { budget = null }
