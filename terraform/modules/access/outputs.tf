output "job_role_arns" {
  description = "Job -> the role that it runs with."
  value       = { for job, role in aws_iam_role.job : job => role.arn }
}
