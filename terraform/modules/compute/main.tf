resource "aws_emrserverless_application" "this" {
  name          = var.name
  release_label = var.release
  type          = "spark"
  architecture  = "ARM64"

  # No capacity is kept warm: a stream's driver never stops, and a batch job waits a minute.
  maximum_capacity {
    cpu    = var.limit.cpu
    memory = var.limit.memory
    disk   = var.limit.disk
  }

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = var.limit.idle_stop
  }

  network_configuration {
    subnet_ids         = var.network.subnet_ids
    security_group_ids = var.network.security_group_ids
  }
}

resource "aws_cloudwatch_log_group" "jobs" {
  name              = "/pulseiq/${var.name}/jobs"
  retention_in_days = var.logs.days
  kms_key_id        = var.logs.kms_key_arn
}
