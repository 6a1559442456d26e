terraform {
  required_version = ">= 1.9"

  # No backend: terraform/env/*.tfbackend has each environment's, and `pulseiq env` puts it beside these files.
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
