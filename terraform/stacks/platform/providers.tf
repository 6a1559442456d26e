locals {
  emulated = var.endpoint_url != null
}

provider "aws" {
  region = var.region

  # An emulator takes any key, knows one account, and has neither a metadata service nor names per bucket. A store of the
  # buckets' own is started with this pair.
  access_key                  = local.emulated ? "pulseiq" : null
  secret_key                  = local.emulated ? "pulseiq-local" : null
  s3_use_path_style           = local.emulated
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated

  # MWAA's client puts `api.` before the name of its endpoint. Asked as a proxy, the emulator answers to any name.
  http_proxy  = var.endpoint_url
  https_proxy = local.emulated ? "" : null
  no_proxy    = local.emulated ? "127.0.0.1" : null

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint_url] : []

    content {
      budgets       = endpoints.value
      cloudwatch    = endpoints.value
      ec2           = endpoints.value
      emrserverless = endpoints.value
      glue          = endpoints.value
      iam           = endpoints.value
      kafka         = endpoints.value
      kms           = endpoints.value
      logs          = endpoints.value
      mwaa          = endpoints.value
      s3            = coalesce(var.storage.endpoint, endpoints.value)
      sns           = endpoints.value
      ssm           = endpoints.value
      sts           = endpoints.value
    }
  }

  # An emulator forgets the tags that alarms, registries and rules of security groups are made with, and a second plan
  # would set them again.
  dynamic "default_tags" {
    for_each = local.emulated ? [] : [1]

    content {
      tags = {
        project     = "pulseiq"
        environment = var.environment
      }
    }
  }
}
