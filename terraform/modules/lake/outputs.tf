output "lake_bucket" {
  description = "Bucket of the tables and checkpoints; not versioned."
  value       = aws_s3_bucket.this["lake"].id
}

output "artifacts_bucket" {
  description = "Bucket of what jobs are run from; versioned."
  value       = aws_s3_bucket.this["artifacts"].id
}

output "reports_bucket" {
  description = "Bucket of what people read; versioned."
  value       = aws_s3_bucket.this["reports"].id
}

output "kms_key_arn" {
  description = "The key that encrypts all three."
  value       = aws_kms_key.this.arn
}

output "epoch" {
  description = "Content of the object `_epoch`: another value means another lake bucket."
  value       = terraform_data.epoch.id
}

output "bucket_arns" {
  description = "Bucket (lake, artifacts, reports) -> its ARN."
  value       = { for name, bucket in aws_s3_bucket.this : name => bucket.arn }
}

output "logs_bucket" {
  description = "Bucket of the access logs; null without them."
  value       = one(aws_s3_bucket.logs[*].id)
}

output "logs_bucket_arn" {
  description = "Its ARN; null without it."
  value       = one(aws_s3_bucket.logs[*].arn)
}
