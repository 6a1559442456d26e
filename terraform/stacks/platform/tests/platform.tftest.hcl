# Run with each file of terraform/env; what those leave open is given here.
mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  region            = "eu-central-1"
  name              = "pulseiq-test"
  bootstrap_servers = "127.0.0.1:9092,127.0.0.1:9093"
}

run "the_manifest_is_what_settings_reads" {
  assert {
    condition = toset(output.manifest) == toset([
      for name in ["artifacts_bucket", "bootstrap_servers", "kms_key_arn", "lake_bucket", "reports_bucket"] :
      "/pulseiq/${var.environment}/${name}"
    ])
    error_message = "pipelines.platform.settings asks for other names"
  }
}

run "an_address_without_a_port_is_refused" {
  command = plan

  variables {
    bootstrap_servers = "broker.example"
  }

  expect_failures = [var.bootstrap_servers]
}
