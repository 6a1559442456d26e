locals {
  # VACUUM and `forget` must really delete, so the lake keeps no old versions. What people publish and read does.
  buckets = {
    lake      = { versioned = false }
    artifacts = { versioned = true }
    reports   = { versioned = true }
  }

  # Which of them get what not every S3-compatible store knows.
  encrypted = var.storage.encryption ? local.buckets : {}
  closed    = var.storage.public_access_block ? local.buckets : {}
  owned     = var.storage.ownership_controls ? local.buckets : {}
}

resource "aws_kms_key" "this" {
  description             = "Encrypts the buckets of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = var.key_deletion_days
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket        = "${var.name}-${each.key}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.encrypted

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    bucket_key_enabled = true # otherwise each small object of a Delta log costs a call to KMS

    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = aws_kms_key.this.arn
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.closed

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.owned

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = { for name, bucket in local.buckets : name => bucket if bucket.versioned }

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = var.retention == null ? {} : local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    id     = "unfinished-uploads"
    status = "Enabled"
    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = var.retention.unfinished_upload_days
    }
  }

  dynamic "rule" {
    for_each = each.key == "lake" ? var.retention.lake_tiers : []

    content {
      id     = "tier-after-${rule.value.days}-days"
      status = "Enabled"

      filter {
        and {
          prefix                   = rule.value.prefix
          object_size_greater_than = 131072 # smaller ones cost more in a colder tier than they save
        }
      }

      transition {
        days          = rule.value.days
        storage_class = rule.value.storage_class
      }
    }
  }

  dynamic "rule" {
    for_each = each.value.versioned ? [var.retention.old_version_days] : []

    content {
      id     = "old-versions"
      status = "Enabled"
      filter {}

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_logging" "this" {
  for_each = var.access_logs == null ? {} : local.buckets

  bucket        = aws_s3_bucket.this[each.key].id
  target_bucket = aws_s3_bucket.logs[0].id
  target_prefix = "${each.key}/"
}

# A random word that lives and dies with the lake bucket. Streams compare it before each commit: a bucket that was made
# anew must not be written to with the offsets of the old one.
#
# The word is the resource's own id. `replace_triggered_by` would not see a bucket that is gone and made again, which is
# no change of it, and `ignore_changes` would keep the word of `uuid()` even then.
resource "terraform_data" "epoch" {
  triggers_replace = aws_s3_bucket.this["lake"].arn
}

resource "aws_s3_object" "epoch" {
  bucket  = aws_s3_bucket.this["lake"].id
  key     = "_epoch"
  content = terraform_data.epoch.id

  depends_on = [aws_s3_bucket_server_side_encryption_configuration.this]
}
