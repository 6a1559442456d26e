variable "name" {
  description = "Name of the cluster."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the brokers."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the brokers, two or three, in different zones."
  type        = list(string)
}

variable "clients" {
  description = "Who may reach the brokers: any name -> id of a security group."
  type        = map(string)
}

variable "authentication" {
  description = "How clients prove who they are: `iam` by AWS credentials over TLS; `none` in plaintext, for an emulator whose broker is on loopback."
  type        = string
  default     = "iam"

  validation {
    condition     = contains(["iam", "none"], var.authentication)
    error_message = "Either iam or none."
  }

  validation {
    condition     = var.authentication == "iam" || var.provisioned != null
    error_message = "MSK Serverless knows IAM only."
  }
}

variable "provisioned" {
  description = "Brokers of our own choice; null: MSK Serverless, which has no configuration and takes messages of 8 MiB at most."
  type = object({
    kafka_version = optional(string, "3.9.x.kraft")
    instance_type = optional(string, "kafka.m7g.large")
    brokers       = optional(number, 3)
    volume_gb     = optional(number, 100)
  })
  default = null
}

variable "kms_key_arn" {
  description = "Key that encrypts the provisioned brokers' disks."
  type        = string
  default     = null
}

variable "log_days" {
  description = "Days that the brokers' logs are kept."
  type        = number
  default     = 30
}
