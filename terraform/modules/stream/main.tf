locals {
  serverless = var.provisioned == null
  ports      = var.authentication == "iam" ? [9098] : [9092]
  replicas   = local.serverless ? 3 : min(3, var.provisioned.brokers)

  # Serverless fixes it; ours is what the contracts may ask for, see pipelines/contract/model.py.
  max_message_bytes = local.serverless ? 8 * 1024 * 1024 : 10 * 1024 * 1024

  # Topics are made by pipelines/platform/kafka.py, with the same properties everywhere: these are what a topic gets that
  # was made otherwise, and what only a broker can be told.
  server_properties = {
    "auto.create.topics.enable"      = false
    "default.replication.factor"     = local.replicas
    "min.insync.replicas"            = max(1, local.replicas - 1)
    "unclean.leader.election.enable" = false
    "log.message.timestamp.type"     = "LogAppendTime"
    "message.max.bytes"              = local.max_message_bytes
    "replica.fetch.max.bytes"        = local.max_message_bytes
  }
}

resource "aws_security_group" "brokers" {
  name        = "${var.name}-brokers"
  description = "Kafka brokers"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "brokers" {
  for_each = { for pair in setproduct(keys(var.clients), local.ports) : "${pair[0]}-${pair[1]}" => pair }

  security_group_id            = aws_security_group.brokers.id
  description                  = "${each.value[0]} to Kafka"
  referenced_security_group_id = var.clients[each.value[0]]
  ip_protocol                  = "tcp"
  from_port                    = each.value[1]
  to_port                      = each.value[1]

  # An emulator forgets it where the rule names no addresses.
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_msk_serverless_cluster" "this" {
  count = local.serverless ? 1 : 0

  cluster_name = var.name

  vpc_config {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.brokers.id]
  }

  client_authentication {
    sasl {
      iam {
        enabled = true
      }
    }
  }
}

resource "aws_msk_configuration" "this" {
  count = local.serverless ? 0 : 1

  name              = var.name
  kafka_versions    = [var.provisioned.kafka_version]
  server_properties = join("\n", [for name, value in local.server_properties : "${name}=${value}"])
}

resource "aws_cloudwatch_log_group" "brokers" {
  count = local.serverless ? 0 : 1

  name              = "/pulseiq/${var.name}/brokers"
  retention_in_days = var.log_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_msk_cluster" "this" {
  count = local.serverless ? 0 : 1

  cluster_name           = var.name
  kafka_version          = var.provisioned.kafka_version
  number_of_broker_nodes = var.provisioned.brokers
  enhanced_monitoring    = "PER_TOPIC_PER_BROKER"

  broker_node_group_info {
    instance_type   = var.provisioned.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.brokers.id]

    storage_info {
      ebs_storage_info {
        volume_size = var.provisioned.volume_gb
      }
    }
  }

  client_authentication {
    unauthenticated = var.authentication == "none"

    sasl {
      iam = var.authentication == "iam"
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this[0].arn
    revision = aws_msk_configuration.this[0].latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn

    encryption_in_transit {
      client_broker = var.authentication == "iam" ? "TLS" : "PLAINTEXT"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers[0].name
      }
    }
  }
}
