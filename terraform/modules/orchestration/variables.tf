variable "name" {
  description = "Name of the environment; `-airflow` is appended for its bucket."
  type        = string
}

variable "airflow_version" {
  description = "Airflow, as MWAA offers it."
  type        = string
  default     = "3.2.1"
}

variable "size" {
  description = "Class of the environment and the number of its workers."
  type = object({
    environment_class = optional(string, "mw1.small")
    least_workers     = optional(number, 1)
    most_workers      = optional(number, 2)
  })
  default = {}
}

variable "network" {
  description = "Where it runs: exactly two private subnets in different zones, and security groups."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })

  validation {
    condition     = length(var.network.subnet_ids) == 2
    error_message = "MWAA takes exactly two subnets."
  }
}

variable "kms_key_arn" {
  description = "Key of the bucket, the queue and the logs."
  type        = string
}

variable "jobs" {
  description = "What its tasks may start: the application, the roles it hands to jobs, and the manifest they are found by."
  type = object({
    application_arn = string
    role_arns       = list(string)
    manifest_arn    = string
  })
}

variable "access_logs" {
  description = "Whether it is logged who reads and writes the bucket, in `access_logs_bucket`."
  type        = bool
  default     = false
}

variable "access_logs_bucket" {
  description = "Bucket that takes the access logs of the environment's bucket."
  type        = string
  default     = null
}

variable "old_version_days" {
  description = "Days after which replaced DAGs and requirements are removed; null: never."
  type        = number
  default     = null
}

variable "require_tls" {
  description = "Deny plain http on the bucket."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Let `terraform destroy` remove the bucket while it holds objects."
  type        = bool
  default     = false
}
