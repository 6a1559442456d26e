mock_provider "aws" {
  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/pulseiq-test/1" }
  }
}

variables {
  name       = "pulseiq-test"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
  clients    = { jobs = "sg-1" }
}

run "serverless_is_by_iam_and_takes_eight_mebibytes" {
  assert {
    condition     = length(aws_msk_serverless_cluster.this) == 1 && length(aws_msk_cluster.this) == 0
    error_message = "brokers that nobody asked for"
  }

  assert {
    condition     = output.authentication == "iam" && output.max_message_bytes == 8388608
    error_message = "MSK Serverless takes neither another authentication nor larger messages"
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.brokers : rule.from_port]) == toset([9098])
    error_message = "IAM is on port 9098"
  }
}

run "provisioned_brokers_keep_what_was_acknowledged" {
  variables {
    provisioned = {}
  }

  assert {
    condition = alltrue([
      for line in ["auto.create.topics.enable=false", "default.replication.factor=3", "min.insync.replicas=2",
        "unclean.leader.election.enable=false", "log.message.timestamp.type=LogAppendTime",
      "message.max.bytes=10485760"] :
      contains(split("\n", aws_msk_configuration.this[0].server_properties), line)
    ])
    error_message = "a broker could lose, refuse or mis-time events"
  }

  assert {
    condition = alltrue([
      one(one(aws_msk_cluster.this[0].encryption_info).encryption_in_transit).client_broker == "TLS",
      one(one(aws_msk_cluster.this[0].encryption_info).encryption_in_transit).in_cluster,
      !one(aws_msk_cluster.this[0].client_authentication).unauthenticated,
    ])
    error_message = "brokers speak in plaintext, or to anybody"
  }
}

run "serverless_without_iam_is_refused" {
  command = plan

  variables {
    authentication = "none"
  }

  expect_failures = [var.authentication]
}
