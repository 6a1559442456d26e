terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

# What Terraform's own provider asks of each service that the extension adds.
variable "endpoint" {
  type = string
}

# Another number changes each resource in place that can be changed.
variable "broker_nodes" {
  type = number
}

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_metadata_api_check     = true

  # MWAA's names begin with "api.", which no resolver knows before an address: as a proxy LocalStack gets them anyway.
  http_proxy  = var.endpoint
  https_proxy = ""
  no_proxy    = "127.0.0.1"

  endpoints {
    emrserverless = var.endpoint
    glue          = var.endpoint
    iam           = var.endpoint
    kafka         = var.endpoint
    mwaa          = var.endpoint
    sts           = var.endpoint
  }

  default_tags {
    tags = {
      project = "extension-test"
    }
  }
}

resource "aws_glue_catalog_database" "lake" {
  name         = "lake"
  description  = "Tables of the lake (${var.broker_nodes})"
  location_uri = "s3://lake/db"
}

resource "aws_glue_catalog_table" "silver" {
  name          = "silver"
  database_name = aws_glue_catalog_database.lake.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    classification = "delta"
    nodes          = tostring(var.broker_nodes)
  }

  storage_descriptor {
    location      = "s3://lake/shop/silver"
    input_format  = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
      parameters = {
        path = "s3://lake/shop/silver"
      }
    }

    columns {
      name    = "event_id"
      type    = "string"
      comment = "id"
    }

    columns {
      name = "amounts"
      type = "array<struct<minor:bigint,currency:string>>"
    }
  }

  partition_keys {
    name = "day"
    type = "date"
  }
}

resource "aws_glue_registry" "events" {
  registry_name = "events"
  description   = "Event schemas (${var.broker_nodes})"
}

resource "aws_glue_schema" "action" {
  schema_name       = "user_action"
  registry_arn      = aws_glue_registry.events.arn
  data_format       = "JSON"
  compatibility     = var.broker_nodes == 2 ? "BACKWARD" : "FULL"
  description       = "An action"
  schema_definition = jsonencode({ "$schema" = "http://json-schema.org/draft-07/schema#", type = "object", properties = { id = { type = "string" }, nodes = { type = "string", maxLength = var.broker_nodes } } })
}

resource "aws_msk_configuration" "broker" {
  name              = "broker"
  kafka_versions    = ["4.1.x.kraft"]
  server_properties = "auto.create.topics.enable=false\nmin.insync.replicas=${var.broker_nodes}\n"
}

resource "aws_msk_cluster" "provisioned" {
  cluster_name           = "provisioned"
  kafka_version          = "4.1.x.kraft"
  number_of_broker_nodes = var.broker_nodes

  broker_node_group_info {
    instance_type   = "kafka.m7g.large"
    client_subnets  = ["subnet-11111111", "subnet-22222222"]
    security_groups = ["sg-11111111"]
    storage_info {
      ebs_storage_info {
        volume_size = 100
      }
    }
  }

  client_authentication {
    sasl {
      iam = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.broker.arn
    revision = aws_msk_configuration.broker.latest_revision
  }
}

resource "aws_msk_serverless_cluster" "serverless" {
  cluster_name = "serverless"

  vpc_config {
    subnet_ids         = ["subnet-11111111", "subnet-22222222"]
    security_group_ids = ["sg-11111111"]
  }

  client_authentication {
    sasl {
      iam {
        enabled = true
      }
    }
  }
}

data "aws_msk_bootstrap_brokers" "serverless" {
  cluster_arn = aws_msk_serverless_cluster.serverless.arn
}

resource "aws_emrserverless_application" "spark" {
  name          = "spark"
  release_label = "emr-spark-8.0.0"
  type          = "spark"

  maximum_capacity {
    cpu    = "${4 * var.broker_nodes} vCPU"
    memory = "32 GB"
  }

  initial_capacity {
    initial_capacity_type = "Driver"
    initial_capacity_config {
      worker_count = 1
      worker_configuration {
        cpu    = "2 vCPU"
        memory = "8 GB"
      }
    }
  }

  auto_stop_configuration {
    idle_timeout_minutes = 5
  }

  network_configuration {
    subnet_ids         = ["subnet-11111111"]
    security_group_ids = ["sg-11111111"]
  }
}

resource "aws_mwaa_environment" "airflow" {
  name               = "airflow"
  dag_s3_path        = "dags/"
  execution_role_arn = "arn:aws:iam::000000000000:role/airflow"
  source_bucket_arn  = "arn:aws:s3:::dags"
  airflow_version    = "3.0.6"
  max_workers        = var.broker_nodes

  network_configuration {
    security_group_ids = ["sg-11111111"]
    subnet_ids         = ["subnet-11111111", "subnet-22222222"]
  }

  logging_configuration {
    task_logs {
      enabled   = true
      log_level = "INFO"
    }
  }
}

output "brokers" {
  value = {
    provisioned = aws_msk_cluster.provisioned.bootstrap_brokers_sasl_iam
    serverless  = data.aws_msk_bootstrap_brokers.serverless.bootstrap_brokers_sasl_iam
  }
}
