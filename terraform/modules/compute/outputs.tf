output "application_id" {
  description = "Id of the application that jobs are submitted to."
  value       = aws_emrserverless_application.this.id
}

output "application_arn" {
  description = "The application."
  value       = aws_emrserverless_application.this.arn
}

# The provider knows no runtime_configuration of an application, so that each StartJobRun has to bring them.
output "job_properties" {
  description = "Spark properties that every StartJobRun names: the size of its workers."
  value = {
    "spark.driver.cores"                   = tostring(var.workers.cores)
    "spark.driver.memory"                  = var.workers.memory
    "spark.executor.cores"                 = tostring(var.workers.cores)
    "spark.executor.memory"                = var.workers.memory
    "spark.dynamicAllocation.maxExecutors" = tostring(var.workers.most)
  }
}

output "log_group_name" {
  description = "Log group of the jobs; each StartJobRun names it in its monitoring configuration."
  value       = aws_cloudwatch_log_group.jobs.name
}

output "log_group_arn" {
  description = "The same, as a policy names it."
  value       = aws_cloudwatch_log_group.jobs.arn
}
