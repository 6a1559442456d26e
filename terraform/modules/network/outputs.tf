output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "subnet_ids" {
  description = "The private subnets, in the order of the zones."
  value       = [for position in range(length(var.zones)) : aws_subnet.private[tostring(position)].id]
}

output "jobs_security_group_id" {
  description = "Security group of Spark jobs and the orchestrator."
  value       = aws_security_group.jobs.id
}
