mock_provider "aws" {}

variables {
  name   = "pulseiq-test"
  region = "eu-central-1"
  zones  = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
}

run "traffic_to_s3_takes_the_free_endpoint" {
  command = plan

  assert {
    condition     = aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" && aws_vpc_endpoint.s3.service_name == "com.amazonaws.eu-central-1.s3"
    error_message = "an interface endpoint for S3 costs by the gigabyte"
  }
}

run "each_zone_has_a_private_subnet_of_its_own" {
  command = plan

  assert {
    condition     = toset([for subnet in aws_subnet.private : subnet.availability_zone]) == toset(var.zones)
    error_message = "a zone without a subnet"
  }

  assert {
    condition     = length(toset([for subnet in aws_subnet.private : subnet.cidr_block])) == 3
    error_message = "subnets overlap"
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "a subnet gives public addresses"
  }
}

run "endpoints_cost_and_so_are_only_those_asked_for" {
  command = plan

  variables {
    interface_endpoints = ["ssm", "logs"]
  }

  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ssm", "logs"])
    error_message = "another endpoint than asked for"
  }

  assert {
    condition     = alltrue([for endpoint in aws_vpc_endpoint.interface : endpoint.private_dns_enabled])
    error_message = "clients would look for the service on the internet"
  }
}

run "one_zone_is_refused" {
  command = plan

  variables {
    zones = ["eu-central-1a"]
  }

  expect_failures = [var.zones]
}

run "a_block_too_small_for_its_subnets_is_refused" {
  command = plan

  variables {
    cidr = "10.64.0.0/26"
  }

  expect_failures = [var.cidr]
}
