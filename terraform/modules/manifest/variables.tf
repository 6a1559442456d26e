variable "environment" {
  description = "The environment that the values belong to: what PULSEIQ_ENV says on the reading side."
  type        = string

  validation {
    condition     = contains(["local", "aws"], var.environment)
    error_message = "Either local or aws."
  }
}

variable "values" {
  description = "Name -> value, as `pipelines.platform.settings` asks for them. Nothing secret: they are plain strings."
  type        = map(string)
}
