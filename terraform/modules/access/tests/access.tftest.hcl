mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name             = "pulseiq-test"
  manifest_arn     = "arn:aws:ssm:eu-central-1:123456789012:parameter/pulseiq/aws"
  alerts_topic_arn = "arn:aws:sns:eu-central-1:123456789012:pulseiq-test-alerts"

  lake = {
    lake_bucket_arn      = "arn:aws:s3:::pulseiq-test-lake"
    artifacts_bucket_arn = "arn:aws:s3:::pulseiq-test-artifacts"
    reports_bucket_arn   = "arn:aws:s3:::pulseiq-test-reports"
    kms_key_arn          = "arn:aws:kms:eu-central-1:123456789012:key/1"
  }

  stream  = { cluster_arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/pulseiq-test/uuid-1" }
  compute = { application_arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/1", log_group_arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/pulseiq/test/jobs" }

  jobs = {
    bronze = { description = "Kafka to bronze", writes = ["bronze"], checkpoints = ["bronze"], leases = ["bronze"], topics_read = ["shop.events"] }
    detect = { description = "Gold to incidents", reads = ["gold"], writes = ["incidents"], alerts = true }
  }
}

run "each_job_has_a_role_of_its_own" {
  assert {
    condition     = toset(keys(output.job_role_arns)) == toset(["bronze", "detect"])
    error_message = "jobs share a role, or have none"
  }
}

run "no_statement_is_for_everything" {
  assert {
    condition = alltrue(flatten([
      for document in data.aws_iam_policy_document.job : [
        for statement in document.statement :
        !contains(statement.resources, "*") && alltrue([for action in statement.actions : !endswith(action, "*")])
      ]
    ]))
    error_message = "a role may do everything, or on everything"
  }
}

run "a_job_writes_its_own_tables_only" {
  assert {
    condition = toset(flatten([
      for statement in data.aws_iam_policy_document.job["bronze"].statement : statement.resources if contains(statement.actions, "s3:DeleteObject")
      ])) == toset([
      "arn:aws:s3:::pulseiq-test-lake/*/bronze/*",
      "arn:aws:s3:::pulseiq-test-lake/_checkpoints/*/bronze/*",
    ])
    error_message = "bronze could remove what is not its own"
  }
}

run "topics_are_named" {
  assert {
    condition = flatten([
      for statement in data.aws_iam_policy_document.job["bronze"].statement : statement.resources if contains(statement.actions, "kafka-cluster:ReadData")
    ]) == ["arn:aws:kafka:eu-central-1:123456789012:topic/pulseiq-test/uuid-1/shop.events"]
    error_message = "bronze reads another topic than the product's"
  }

  assert {
    condition = !anytrue(flatten([
      for statement in data.aws_iam_policy_document.job["detect"].statement : [for action in statement.actions : startswith(action, "kafka-cluster:")]
    ]))
    error_message = "a job without topics reaches the brokers"
  }
}

run "only_this_application_takes_the_roles" {
  assert {
    condition = anytrue([
      for condition in one(data.aws_iam_policy_document.trust.statement).condition :
      condition.variable == "aws:SourceArn" && condition.values == tolist([var.compute.application_arn])
    ])
    error_message = "another application could take the roles"
  }
}
