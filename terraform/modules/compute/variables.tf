variable "name" {
  description = "Name of the application."
  type        = string
}

variable "release" {
  description = "EMR release: decides the versions of Spark, Delta and Python."
  type        = string
  default     = "emr-spark-8.0.0"
}

variable "limit" {
  description = "What all jobs together may take at the most, so that a mistake costs no more."
  type = object({
    cpu       = optional(string, "64 vCPU")
    memory    = optional(string, "256 GB")
    disk      = optional(string, "1000 GB")
    idle_stop = optional(number, 15)
  })
  default = {}

  validation {
    condition     = can(regex("^\\d+ vCPU$", var.limit.cpu)) && can(regex("^\\d+ GB$", var.limit.memory)) && can(regex("^\\d+ GB$", var.limit.disk))
    error_message = "As in \"64 vCPU\", \"256 GB\"."
  }

  validation {
    condition     = var.limit.idle_stop >= 1 && var.limit.idle_stop <= 10080
    error_message = "EMR Serverless takes 1 to 10080 minutes."
  }
}

variable "network" {
  description = "Where workers run: private subnets and security groups."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
}

variable "logs" {
  description = "Where the drivers' and executors' logs go, and for how many days they are kept."
  type = object({
    kms_key_arn = optional(string)
    days        = optional(number, 30)
  })
  default = {}
}
