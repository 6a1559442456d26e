variable "name" {
  description = "Prefix of the databases and name of the registry."
  type        = string
}

variable "lake_bucket" {
  description = "Bucket of the tables, `s3://<bucket>/<product>/<table>`."
  type        = string
}

variable "products" {
  description = "Product -> its title, its tables with their columns in order, and its event schemas by `<event>.v<version>`, each as JSON Schema text."
  type = map(object({
    title   = string
    tables  = map(list(object({ name = string, type = string })))
    schemas = map(string)
  }))
}

variable "compatibility" {
  description = "What the registry lets a new text of the same schema change; see Glue's compatibility modes."
  type        = string
  default     = "BACKWARD"

  validation {
    condition     = contains(["NONE", "DISABLED", "BACKWARD", "BACKWARD_ALL", "FORWARD", "FORWARD_ALL", "FULL", "FULL_ALL"], var.compatibility)
    error_message = "One of Glue's compatibility modes."
  }
}
