output "application_id" {
  description = "Id of the application that jobs are submitted to."
  value       = aws_emrserverless_application.this.id
}

output "application_arn" {
  description = "The application."
  value       = aws_emrserverless_application.this.arn
}

output "log_group_name" {
  description = "Log group of the jobs; each StartJobRun names it in its monitoring configuration."
  value       = aws_cloudwatch_log_group.jobs.name
}

output "log_group_arn" {
  description = "The same, as a policy names it."
  value       = aws_cloudwatch_log_group.jobs.arn
}
