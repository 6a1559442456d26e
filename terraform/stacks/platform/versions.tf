terraform {
  required_version = ">= 1.9"

  # `terraform init -backend-config=path=...` says where; locally `pulseiq up` does.
  backend "local" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}
