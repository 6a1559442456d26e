output "bucket" {
  description = "Bucket of DAGs and requirements."
  value       = aws_s3_bucket.this.id
}

output "role_arn" {
  description = "Role of the environment."
  value       = aws_iam_role.environment.arn
}

output "webserver_url" {
  description = "Address of Airflow, reachable from within the network."
  value       = aws_mwaa_environment.this.webserver_url
}
