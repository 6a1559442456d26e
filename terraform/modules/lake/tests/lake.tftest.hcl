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

run "a_store_of_its_own_is_asked_for_buckets_and_versions_only" {
  command = plan

  variables {
    require_tls = false
    storage     = {}
  }

  assert {
    condition = (
      toset(keys(aws_s3_bucket.this)) == toset(["lake", "artifacts", "reports"]) &&
      toset(keys(aws_s3_bucket_versioning.this)) == toset(["artifacts", "reports"]) &&
      aws_s3_object.epoch.key == "_epoch"
    )
    error_message = "the same buckets, versions and epoch wherever they are"
  }

  assert {
    condition = (
      length(aws_s3_bucket_server_side_encryption_configuration.this) == 0 &&
      length(aws_s3_bucket_public_access_block.this) == 0 &&
      length(aws_s3_bucket_ownership_controls.this) == 0
    )
    error_message = "it is asked for what not every store knows"
  }
}

run "a_store_is_asked_for_what_it_is_said_to_do" {
  command = plan

  variables {
    storage = { public_access_block = true, encryption = true }
  }

  assert {
    condition = (
      length(aws_s3_bucket_server_side_encryption_configuration.this) == 3 &&
      length(aws_s3_bucket_public_access_block.this) == 3 &&
      length(aws_s3_bucket_ownership_controls.this) == 0
    )
    error_message = "each is chosen by itself"
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

run "the_lake_grows_cold_and_nothing_else_does" {
  command = plan

  variables {
    retention = { lake_tiers = [{ days = 30, storage_class = "INTELLIGENT_TIERING" }] }
  }

  assert {
    condition = {
      for name, lifecycle in aws_s3_bucket_lifecycle_configuration.this : name => [
        for rule in lifecycle.rule : one(rule.transition).storage_class if length(rule.transition) > 0
      ]
    } == { lake = ["INTELLIGENT_TIERING"], artifacts = [], reports = [] }
    error_message = "another bucket's objects change their tier"
  }
}

run "access_logs_go_to_a_closed_bucket_of_their_own" {
  command = plan

  variables {
    access_logs = { days = 30 }
  }

  assert {
    condition     = length(aws_s3_bucket_logging.this) == 3 && aws_s3_bucket_public_access_block.logs[0].restrict_public_buckets
    error_message = "a bucket without a log, or an open log"
  }

  assert {
    condition     = one(one(aws_s3_bucket_lifecycle_configuration.logs[0].rule).expiration).days == 30
    error_message = "logs that are kept for ever"
  }
}

run "a_name_that_s3_refuses_is_refused_here" {
  command = plan

  variables {
    name = "PulseIQ_lake"
  }

  expect_failures = [var.name]
}
