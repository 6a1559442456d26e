variable "environment" {
  description = "local or aws, as PULSEIQ_ENV."
  type        = string

  validation {
    condition     = contains(["local", "aws"], var.environment)
    error_message = "Either local or aws."
  }
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

variable "storage" {
  description = "Where the buckets are, and what is done there beside buckets, objects and versions: S3 with the rest of AWS, or with an `endpoint` an S3-compatible store apart from it. See modules/lake."
  nullable    = false

  type = object({
    endpoint            = optional(string)
    encryption          = optional(bool, false)
    public_access_block = optional(bool, false)
    ownership_controls  = optional(bool, false)
  })

  default = {
    endpoint            = null
    encryption          = true
    public_access_block = true
    ownership_controls  = true
  }

  validation {
    condition     = var.storage.endpoint == null || can(regex("^https?://[^/]+$", var.storage.endpoint))
    error_message = "endpoint is an address without a path, e.g. http://127.0.0.1:9000."
  }

  validation {
    condition     = var.storage.endpoint == null || var.endpoint_url != null
    error_message = "AWS itself has its buckets in S3."
  }

  validation {
    condition     = var.storage.endpoint == null || (var.retention == null && var.access_logs == null && var.orchestration == null)
    error_message = "retention, access_logs and orchestration need all of S3."
  }
}

variable "name" {
  description = "Prefix of every name, free in all of AWS; null: pulseiq-<account>."
  type        = string
  default     = null
}

variable "bootstrap_servers" {
  description = "Brokers of a Kafka that is not ours to make, host:port, comma-separated; null: those of `stream`."
  type        = string
  default     = null

  validation {
    condition     = var.bootstrap_servers == null || can(regex("^[^,:\\s]+:\\d+(,[^,:\\s]+:\\d+)*$", var.bootstrap_servers))
    error_message = "host:port, comma-separated."
  }

  validation {
    condition     = (var.bootstrap_servers == null) != (var.stream == null)
    error_message = "Give either bootstrap_servers or stream."
  }
}

variable "event_retention_days" {
  description = "Days that Kafka keeps events; -1: for ever, where Kafka is all that is left when the lake is lost."
  type        = number

  validation {
    condition     = var.event_retention_days == -1 || var.event_retention_days >= 1
    error_message = "A day or more, or -1."
  }
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
    lake_tiers = optional(list(object({
      days          = number
      storage_class = string
      prefix        = optional(string, "")
    })), [])
  })
  default = null
}

variable "access_logs" {
  description = "Logs of who read and wrote what in the buckets; null: none. See modules/lake."
  type        = object({ days = optional(number, 90) })
  default     = null
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

variable "network" {
  description = "The private network of brokers and jobs; null: none. See modules/network."
  type = object({
    cidr                = optional(string, "10.64.0.0/20")
    zones               = optional(number, 3)
    interface_endpoints = optional(set(string), [])
    flow_logs           = optional(bool, false)
  })
  default = null

  validation {
    condition     = !try(var.network.flow_logs, false) || var.access_logs != null
    error_message = "flow_logs go to the bucket that access_logs makes."
  }

  validation {
    condition     = var.network != null || (var.stream == null && var.compute == null && var.orchestration == null)
    error_message = "stream, compute and orchestration need a network."
  }
}

variable "stream" {
  description = "Kafka on MSK, serverless unless `provisioned` is given; null: `bootstrap_servers` says where it is. See modules/stream."
  type = object({
    authentication = optional(string, "iam")
    provisioned = optional(object({
      kafka_version = optional(string, "3.9.x.kraft")
      instance_type = optional(string, "kafka.m7g.large")
      brokers       = optional(number, 3)
      volume_gb     = optional(number, 100)
    }))
  })
  default = null
}

variable "compute" {
  description = "Spark on EMR Serverless; null: jobs run where they are started. See modules/compute."
  type = object({
    release  = optional(string, "emr-spark-8.0.0")
    log_days = optional(number, 30)
    limit = optional(object({
      cpu       = optional(string, "64 vCPU")
      memory    = optional(string, "256 GB")
      disk      = optional(string, "1000 GB")
      idle_stop = optional(number, 15)
    }), {})
    workers = optional(object({
      cores  = optional(number, 2)
      memory = optional(string, "7g")
      most   = optional(number, 8)
    }), {})
  })
  default = null
}

variable "catalog" {
  description = "Glue's databases, tables and schemas; null: none. See modules/catalog."
  type        = object({ compatibility = optional(string, "BACKWARD") })
  default     = null
}

variable "orchestration" {
  description = "Airflow on MWAA; null: none. See modules/orchestration."
  type = object({
    airflow_version = optional(string, "3.2.1")
    size = optional(object({
      environment_class = optional(string, "mw1.small")
      least_workers     = optional(number, 1)
      most_workers      = optional(number, 2)
    }), {})
  })
  default = null

  validation {
    condition     = var.orchestration == null || var.compute != null
    error_message = "orchestration starts jobs and so needs compute."
  }
}

variable "alerts" {
  description = "Who is told, the products whose detect loop must be heard of, and the monthly budget. See modules/alerts."
  type = object({
    emails  = optional(set(string), [])
    watched = optional(set(string), [])
    budget  = optional(object({ dollars = number, shares = optional(list(number), [50, 80, 100]) }))
  })
  default = {}

  validation {
    condition     = length(setsubtract(var.alerts.watched, keys(jsondecode(file("${path.module}/catalog.json"))))) == 0
    error_message = "`watched` names products of contracts/."
  }
}
