locals {
  emulated = var.endpoint_url != null
}

provider "aws" {
  region = var.region

  # An emulator takes any key, knows one account, and has neither a metadata service nor names per bucket.
  access_key                  = local.emulated ? "test" : null
  secret_key                  = local.emulated ? "test" : null
  s3_use_path_style           = local.emulated
  skip_credentials_validation = local.emulated
  skip_metadata_api_check     = local.emulated

  dynamic "endpoints" {
    for_each = local.emulated ? [var.endpoint_url] : []

    content {
      iam = endpoints.value
      kms = endpoints.value
      s3  = endpoints.value
      ssm = endpoints.value
      sts = endpoints.value
    }
  }

  default_tags {
    tags = {
      project     = "pulseiq"
      environment = var.environment
    }
  }
}
