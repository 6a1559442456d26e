variable "name" {
  description = "Prefix of the roles' names."
  type        = string
}

variable "jobs" {
  description = "Job -> what it needs. Tables, checkpoints and leases are named as in the lake: `<product>/<table>`, `_checkpoints/<product>/<query>`, `_leases/<product>-<query>.json`, for every product. `accounts`: it reads which jobs ran; `registers`: it registers what it writes in the catalog."
  type = map(object({
    description  = string
    reads        = optional(set(string), [])
    writes       = optional(set(string), [])
    checkpoints  = optional(set(string), [])
    leases       = optional(set(string), [])
    topics_read  = optional(set(string), [])
    topics_write = optional(set(string), [])
    reports      = optional(bool, false)
    alerts       = optional(bool, false)
    accounts     = optional(bool, false)
    registers    = optional(bool, false)
  }))
}

variable "lake" {
  description = "Buckets and key of the lake."
  type = object({
    lake_bucket_arn      = string
    artifacts_bucket_arn = string
    reports_bucket_arn   = string
    kms_key_arn          = string
  })
}

variable "manifest_arn" {
  description = "Path of the manifest in SSM, as `arn:aws:ssm:<region>:<account>:parameter/pulseiq/aws`."
  type        = string
}

variable "alerts_topic_arn" {
  description = "Topic that jobs with `alerts` publish to."
  type        = string
}

variable "stream" {
  description = "The cluster whose topics jobs read and write by IAM; null: its brokers ask nobody who they are."
  type        = object({ cluster_arn = string })
  default     = null
}

variable "compute" {
  description = "The application that jobs run in, and the log group they write to; null: they run elsewhere."
  type = object({
    application_arn = string
    log_group_arn   = string
  })
  default = null
}

variable "catalog" {
  description = "The catalog that jobs with `registers` write to: its ARN up to the kind of thing, as `arn:aws:glue:<region>:<account>`, and its databases; null: none."
  type = object({
    arn       = string
    databases = list(string)
  })
  default = null
}
