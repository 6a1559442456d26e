# No internet gateway and no NAT: jobs reach S3 by the gateway endpoint, which costs nothing by the hour or the gigabyte,
# and AWS's other services by interface endpoints.
resource "aws_vpc" "this" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true

  tags = { Name = var.name }
}

# Without rules: what forgets to name a security group reaches nothing.
resource "aws_default_security_group" "this" {
  vpc_id = aws_vpc.this.id
}

resource "aws_subnet" "private" {
  for_each = { for position, zone in var.zones : tostring(position) => zone }

  vpc_id                  = aws_vpc.this.id
  availability_zone       = each.value
  cidr_block              = cidrsubnet(var.cidr, 4, tonumber(each.key))
  map_public_ip_on_launch = false

  tags = { Name = "${var.name}-private-${each.value}" }
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.this.id

  tags = { Name = "${var.name}-private" }
}

resource "aws_route_table_association" "private" {
  for_each = aws_subnet.private

  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.this.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]

  tags = { Name = "${var.name}-s3" }
}

resource "aws_vpc_endpoint" "interface" {
  for_each = var.interface_endpoints

  vpc_id              = aws_vpc.this.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_security_group" "jobs" {
  name        = "${var.name}-jobs"
  description = "Spark jobs and the orchestrator"
  vpc_id      = aws_vpc.this.id
}

resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Interface endpoints of AWS services"
  vpc_id      = aws_vpc.this.id
}

# Drivers and executors, schedulers and workers speak to each other on ports of their own choice.
resource "aws_vpc_security_group_ingress_rule" "jobs_to_jobs" {
  security_group_id            = aws_security_group.jobs.id
  description                  = "Jobs to jobs"
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "-1"

  # An emulator forgets it where the rule names no addresses.
  lifecycle {
    ignore_changes = [description]
  }
}

# Its ways out are what the VPC has: endpoints, brokers, and no internet.
resource "aws_vpc_security_group_egress_rule" "jobs_to_vpc" {
  security_group_id = aws_security_group.jobs.id
  description       = "Endpoints, brokers and other jobs"
  cidr_ipv4         = var.cidr
  ip_protocol       = "-1"
}

resource "aws_vpc_security_group_egress_rule" "jobs_to_s3" {
  security_group_id = aws_security_group.jobs.id
  description       = "S3 through the gateway endpoint"
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443

  # An emulator forgets it where the rule names no addresses.
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id            = aws_security_group.endpoints.id
  description                  = "Jobs to AWS services"
  referenced_security_group_id = aws_security_group.jobs.id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443

  # An emulator forgets it where the rule names no addresses.
  lifecycle {
    ignore_changes = [description]
  }
}

resource "aws_flow_log" "refused" {
  count = var.flow_logs ? 1 : 0

  vpc_id                   = aws_vpc.this.id
  traffic_type             = "REJECT"
  log_destination_type     = "s3"
  log_destination          = var.flow_logs_bucket_arn
  max_aggregation_interval = 600
}
