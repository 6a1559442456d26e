variable "environment" {
  description = "local or aws, as PULSEIQ_ENV."
  type        = string
}

variable "region" {
  description = "AWS region of every resource."
  type        = string
}

variable "endpoint_url" {
  description = "The one address of an emulator, e.g. http://127.0.0.1:4566; null is AWS itself."
  type        = string
  default     = null
}

variable "bootstrap_servers" {
  description = "Kafka's bootstrap servers, host:port, comma-separated. Handed on to the manifest."
  type        = string

  validation {
    condition     = can(regex("^[^,:\\s]+:\\d+(,[^,:\\s]+:\\d+)*$", var.bootstrap_servers))
    error_message = "host:port, comma-separated."
  }
}

variable "name" {
  description = "Prefix of the buckets' names; must be free in all of AWS."
  type        = string
}

variable "require_tls" {
  description = "Deny plain http on the buckets."
  type        = bool
  default     = true
}

variable "retention" {
  description = "Lifecycle rules of the buckets; null: none. See modules/lake."
  type = object({
    unfinished_upload_days = optional(number, 7)
    old_version_days       = optional(number, 90)
  })
  default = null
}

variable "force_destroy" {
  description = "Let `terraform destroy` remove buckets that still hold objects."
  type        = bool
  default     = false
}

variable "key_deletion_days" {
  description = "Days until a removed key is gone, 7 to 30."
  type        = number
  default     = 30
}
