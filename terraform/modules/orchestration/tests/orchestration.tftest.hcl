mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::pulseiq-test-airflow" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/pulseiq-test-airflow" }
  }
}

variables {
  name        = "pulseiq-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
  network     = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  jobs = {
    application_arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/1"
    role_arns       = ["arn:aws:iam::123456789012:role/pulseiq-test-refine"]
    manifest_arn    = "arn:aws:ssm:eu-central-1:123456789012:parameter/pulseiq/aws"
  }
}

run "airflow_is_not_on_the_internet" {
  assert {
    condition     = aws_mwaa_environment.this.webserver_access_mode == "PRIVATE_ONLY"
    error_message = "the web server is public"
  }
}

run "its_bucket_is_what_mwaa_asks_for" {
  assert {
    condition = alltrue([
      one(aws_s3_bucket_versioning.this.versioning_configuration).status == "Enabled",
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
      one(aws_s3_bucket_server_side_encryption_configuration.this.rule).bucket_key_enabled,
    ])
    error_message = "MWAA refuses a bucket that is public or not versioned"
  }
}

run "jobs_are_handed_only_the_roles_given" {
  assert {
    condition = anytrue([
      for statement in data.aws_iam_policy_document.environment.statement :
      toset(statement.actions) == toset(["iam:PassRole"]) && toset(statement.resources) == toset(var.jobs.role_arns)
    ])
    error_message = "Airflow could hand a job any role of the account"
  }
}

run "one_subnet_is_refused" {
  command = plan

  variables {
    network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
  }

  expect_failures = [var.network]
}
