mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  name = "pulseiq-test"
}

run "only_the_lake_keeps_no_versions" {
  command = plan

  assert {
    condition     = toset(keys(aws_s3_bucket_versioning.this)) == toset(["artifacts", "reports"])
    error_message = "VACUUM and forget must really delete from the lake; what people publish must not be lost"
  }
}

run "every_bucket_is_closed_and_encrypted_with_bucket_keys" {
  command = plan

  assert {
    condition     = toset(keys(aws_s3_bucket_public_access_block.this)) == toset(["lake", "artifacts", "reports"])
    error_message = "a bucket is open"
  }

  assert {
    condition = alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "a bucket is half open"
  }

  assert {
    condition = alltrue(flatten([
      for encryption in aws_s3_bucket_server_side_encryption_configuration.this : [
        for rule in encryption.rule :
        rule.bucket_key_enabled && one(rule.apply_server_side_encryption_by_default).sse_algorithm == "aws:kms"
      ]
    ]))
    error_message = "a bucket is not encrypted by KMS with a bucket key"
  }

  assert {
    condition     = length(aws_s3_bucket_server_side_encryption_configuration.this) == 3 && aws_kms_key.this.enable_key_rotation
    error_message = "a bucket without encryption, or a key that never changes"
  }
}

run "plain_http_is_denied_unless_told_otherwise" {
  command = plan

  assert {
    condition     = length(aws_s3_bucket_policy.tls_only) == 3
    error_message = "a bucket takes plain http"
  }
}

run "an_emulator_gets_neither_policy_nor_lifecycle" {
  command = plan

  variables {
    require_tls = false
  }

  assert {
    condition     = length(aws_s3_bucket_policy.tls_only) == 0 && length(aws_s3_bucket_lifecycle_configuration.this) == 0
    error_message = "rules that nobody asked for"
  }
}

run "old_versions_go_where_there_are_versions" {
  command = plan

  variables {
    retention = { old_version_days = 30 }
  }

  assert {
    condition = {
      for name, lifecycle in aws_s3_bucket_lifecycle_configuration.this : name => length(lifecycle.rule)
    } == { lake = 1, artifacts = 2, reports = 2 }
    error_message = "unfinished uploads go everywhere, old versions only from versioned buckets"
  }
}

run "a_name_that_s3_refuses_is_refused_here" {
  command = plan

  variables {
    name = "PulseIQ_lake"
  }

  expect_failures = [var.name]
}
