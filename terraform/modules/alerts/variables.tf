variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "kms_key_arn" {
  description = "Key that encrypts messages at rest; it must let `cloudwatch.amazonaws.com` and `budgets.amazonaws.com` use it."
  type        = string
}

variable "emails" {
  description = "Addresses that get every message; each must confirm once."
  type        = set(string)
  default     = []
}

variable "alarms" {
  description = "Name -> what is watched. `missing` says what no data means: breaching, notBreaching, ignore. `counts` makes the metric of a log group's lines."
  type = map(object({
    description = string
    namespace   = string
    metric      = string
    dimensions  = optional(map(string), {})
    counts      = optional(object({ log_group = string, pattern = string }))
    statistic   = optional(string, "Maximum")
    comparison  = optional(string, "GreaterThanThreshold")
    threshold   = number
    minutes     = optional(number, 5)
    times       = optional(number, 1)
    missing     = optional(string, "notBreaching")
  }))
  default = {}

  validation {
    condition     = alltrue([for alarm in var.alarms : contains(["breaching", "notBreaching", "ignore"], alarm.missing)])
    error_message = "`missing` is breaching, notBreaching or ignore."
  }
}

variable "budget" {
  description = "US dollars a month for everything tagged project=pulseiq, and the shares in per cent at which somebody is told; null: none."
  type = object({
    dollars = number
    shares  = optional(list(number), [50, 80, 100])
  })
  default = null
}
