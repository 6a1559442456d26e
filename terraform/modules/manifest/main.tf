resource "aws_ssm_parameter" "this" {
  for_each = var.values

  name        = "/pulseiq/${var.environment}/${each.key}"
  description = "Read by pipelines.platform.settings"
  type        = "String"
  value       = each.value
}
