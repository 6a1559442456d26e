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

variable "workers" {
  description = "Size of a job's driver and of each executor, and how many executors a job may have; as Spark says it."
  type = object({
    cores  = optional(number, 2)
    memory = optional(string, "7g")
    most   = optional(number, 8)
  })
  default = {}

  validation {
    condition     = contains([1, 2, 4, 8, 16], var.workers.cores) && can(regex("^[1-9]\\d*[mg]$", var.workers.memory))
    error_message = "EMR Serverless has workers of 1, 2, 4, 8 or 16 cores; memory as in \"7g\" or \"1536m\"."
  }

  validation {
    condition     = var.workers.most >= 1
    error_message = "A job needs an executor."
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
