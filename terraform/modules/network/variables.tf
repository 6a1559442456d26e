variable "name" {
  description = "Prefix of every name."
  type        = string
}

variable "region" {
  description = "Region of the endpoints' services."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC; sixteen subnets of equal size fit in."
  type        = string
  default     = "10.64.0.0/20"

  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 15)) && tonumber(split("/", var.cidr)[1]) <= 24
    error_message = "An IPv4 block of /24 or larger: a subnet needs 16 addresses, and AWS keeps five of them."
  }
}

variable "zones" {
  description = "Availability zones, one private subnet in each; brokers and the orchestrator need two or more."
  type        = list(string)

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 16
    error_message = "Two to sixteen zones."
  }
}

variable "interface_endpoints" {
  description = "Services reached by an interface endpoint, as `ssm` or `glue`; each costs by the hour and zone. S3 has its gateway endpoint, which is free."
  type        = set(string)
  default     = []
}

variable "flow_logs_bucket_arn" {
  description = "Bucket for the log of refused connections."
  type        = string
  default     = null
}

variable "flow_logs" {
  description = "Whether refused connections are logged to `flow_logs_bucket_arn`."
  type        = bool
  default     = false
}
