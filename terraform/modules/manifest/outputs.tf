output "names" {
  description = "Full names of the parameters, sorted."
  value       = sort([for parameter in aws_ssm_parameter.this : parameter.name])
}
