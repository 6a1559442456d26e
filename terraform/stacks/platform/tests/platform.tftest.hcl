# Run with each file of terraform/env; what those leave open is given here.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_data "aws_availability_zones" {
    defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::pulseiq-test-lake" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/pulseiq-test" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:pulseiq-test-alerts" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/pulseiq/test" }
  }

  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/pulseiq-test/1" }
  }

  mock_resource "aws_msk_cluster" {
    defaults = {
      arn                        = "arn:aws:kafka:eu-central-1:123456789012:cluster/pulseiq-test/1"
      bootstrap_brokers          = "b-1.example:9092"
      bootstrap_brokers_sasl_iam = "b-1.example:9098"
    }
  }

  mock_resource "aws_emrserverless_application" {
    defaults = { arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/1" }
  }

  mock_resource "aws_glue_registry" {
    defaults = { arn = "arn:aws:glue:eu-central-1:123456789012:registry/pulseiq-test" }
  }
}

variables {
  region = "eu-central-1"
  name   = "pulseiq-test"
}

run "the_manifest_is_what_settings_reads" {
  assert {
    condition = length(setsubtract([
      for name in ["airflow_bucket", "alerts_topic_arn", "artifacts_bucket", "bootstrap_servers", "emr_application_id",
        "event_retention_days", "glue_databases", "job_log_group", "job_properties", "job_role_arns", "kafka_authentication",
      "kms_key_arn", "lake_bucket", "max_message_bytes", "reports_bucket"] :
      "/pulseiq/${var.environment}/${name}" if name != "airflow_bucket" || var.orchestration != null
    ], output.manifest)) == 0
    error_message = "pipelines.platform.settings asks for other names"
  }
}

run "every_job_has_a_role_and_topics_of_the_contracts" {
  assert {
    condition     = toset(keys(local.jobs)) == toset(["bronze", "refine", "detect", "baseline", "live", "replay", "publish", "audit", "reconcile", "maintenance", "cost"])
    error_message = "a job without a role, or a role without a job"
  }

  assert {
    condition     = contains(local.jobs.bronze.topics_read, "shop.events") && length(try(local.jobs.bronze.topics_write, [])) == 0
    error_message = "bronze reads events and writes no topic"
  }
}

run "a_store_of_the_buckets_is_in_the_manifest_and_only_beside_an_emulator" {
  command = plan

  variables {
    endpoint_url  = "http://127.0.0.1:4566"
    storage       = { endpoint = "http://127.0.0.1:9000" }
    network       = { zones = 2 }
    retention     = null
    access_logs   = null
    orchestration = null
  }

  assert {
    condition     = contains(output.manifest, "/pulseiq/${var.environment}/storage_endpoint")
    error_message = "the code would look for the lake in the emulator"
  }
}

run "aws_has_its_buckets_in_s3" {
  command = plan

  variables {
    storage       = { endpoint = "http://127.0.0.1:9000" }
    network       = { zones = 2 }
    retention     = null
    access_logs   = null
    orchestration = null
  }

  expect_failures = [var.storage]
}

run "what_needs_all_of_s3_is_refused_beside_a_store" {
  command = plan

  variables {
    endpoint_url  = "http://127.0.0.1:4566"
    storage       = { endpoint = "http://127.0.0.1:9000" }
    retention     = null
    access_logs   = {}
    orchestration = null
  }

  expect_failures = [var.storage]
}

run "brokers_of_ones_own_and_msk_exclude_each_other" {
  command = plan

  variables {
    bootstrap_servers = "broker.example:9092"
  }

  expect_failures = [var.bootstrap_servers]
}

run "an_address_without_a_port_is_refused" {
  command = plan

  variables {
    stream            = null
    bootstrap_servers = "broker.example"
  }

  expect_failures = [var.bootstrap_servers]
}

run "jobs_without_a_network_are_refused" {
  command = plan

  variables {
    network = null
  }

  expect_failures = [var.network]
}
