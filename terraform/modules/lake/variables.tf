variable "name" {
  description = "Prefix of the buckets' names and name of the key's alias. Bucket names are shared by all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,52}$", var.name))
    error_message = "Small letters, digits and hyphens, at most 53 characters: '-artifacts' is appended, and S3 takes 63."
  }
}

variable "require_tls" {
  description = "Deny every request over plain http. Off only where the endpoint has no TLS, as an emulator on loopback."
  type        = bool
  default     = true
}

variable "retention" {
  description = "Days after which unfinished uploads (all buckets) and old versions (versioned buckets) are removed; null: no lifecycle rules, which an emulator takes a minute to confirm."
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
  description = "Days between the key's removal from the configuration and its end; until then it can be recovered."
  type        = number
  default     = 30

  validation {
    condition     = var.key_deletion_days >= 7 && var.key_deletion_days <= 30
    error_message = "KMS takes 7 to 30 days."
  }
}
