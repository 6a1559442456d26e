variable "name" {
  description = "Prefix of the buckets' names and name of the key's alias. Bucket names are shared by all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,52}$", var.name))
    error_message = "Small letters, digits and hyphens, at most 53 characters: '-artifacts' is appended, and S3 takes 63."
  }
}

variable "storage" {
  description = "What the store of the buckets does beside buckets, objects and versions: encryption by the key, blocking of public access, ownership of objects. AWS does all of it; what is not named for another store is not asked of it."
  nullable    = false

  type = object({
    encryption          = optional(bool, false)
    public_access_block = optional(bool, false)
    ownership_controls  = optional(bool, false)
  })

  default = {
    encryption          = true
    public_access_block = true
    ownership_controls  = true
  }
}

variable "require_tls" {
  description = "Deny every request over plain http. Off only where the endpoint has no TLS, as an emulator on loopback."
  type        = bool
  default     = true
}

variable "retention" {
  description = "Days after which unfinished uploads (all buckets) and old versions (versioned buckets) are removed, and the lake's large objects move to a colder tier; null: no lifecycle rules, which an emulator takes a minute to confirm."
  type = object({
    unfinished_upload_days = optional(number, 7)
    old_version_days       = optional(number, 90)
    lake_tiers = optional(list(object({
      days          = number
      storage_class = string
      prefix        = optional(string, "")
    })), [])
  })
  default = null
}

variable "access_logs" {
  description = "Days that the log of who read and wrote what is kept; null: none is written."
  type        = object({ days = optional(number, 90) })
  default     = null
}

variable "key_services" {
  description = "AWS services that may use the key for this account, as `logs.eu-central-1.amazonaws.com`."
  type        = set(string)
  default     = []
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
