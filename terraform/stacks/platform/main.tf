data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

data "aws_availability_zones" "this" {
  count = var.network == null ? 0 : 1

  state = "available"
}

locals {
  # The account's number makes it free in all of AWS.
  name = coalesce(var.name, "pulseiq-${data.aws_caller_identity.this.account_id}")

  # Columns and schemas come from the contracts and the tables' definitions: `pulseiq env catalog` writes this file.
  products = jsondecode(file("${path.module}/catalog.json"))

  manifest_arn = join(":", [
    "arn", data.aws_partition.this.partition, "ssm", var.region, data.aws_caller_identity.this.account_id,
    "parameter/pulseiq/${var.environment}",
  ])
}

module "lake" {
  source = "../../modules/lake"

  name              = local.name
  storage           = var.storage
  require_tls       = var.require_tls
  retention         = var.retention
  access_logs       = var.access_logs
  force_destroy     = var.force_destroy
  key_deletion_days = var.key_deletion_days
  key_services      = ["budgets.amazonaws.com", "cloudwatch.amazonaws.com", "logs.${var.region}.amazonaws.com"]
}

module "network" {
  source = "../../modules/network"
  count  = var.network == null ? 0 : 1

  name                 = local.name
  region               = var.region
  cidr                 = var.network.cidr
  zones                = slice(data.aws_availability_zones.this[0].names, 0, var.network.zones)
  interface_endpoints  = var.network.interface_endpoints
  flow_logs            = var.network.flow_logs
  flow_logs_bucket_arn = module.lake.logs_bucket_arn
}

module "stream" {
  source = "../../modules/stream"
  count  = var.stream == null ? 0 : 1

  name           = local.name
  vpc_id         = module.network[0].vpc_id
  subnet_ids     = module.network[0].subnet_ids
  clients        = { jobs = module.network[0].jobs_security_group_id }
  authentication = var.stream.authentication
  provisioned    = var.stream.provisioned
  kms_key_arn    = module.lake.kms_key_arn
}

module "compute" {
  source = "../../modules/compute"
  count  = var.compute == null ? 0 : 1

  name    = local.name
  release = var.compute.release
  limit   = var.compute.limit
  workers = var.compute.workers
  logs    = { kms_key_arn = module.lake.kms_key_arn, days = var.compute.log_days }

  network = {
    subnet_ids         = module.network[0].subnet_ids
    security_group_ids = [module.network[0].jobs_security_group_id]
  }
}

module "access" {
  source = "../../modules/access"

  name             = local.name
  jobs             = local.jobs
  manifest_arn     = local.manifest_arn
  alerts_topic_arn = module.alerts.topic_arn

  lake = {
    lake_bucket_arn      = module.lake.bucket_arns["lake"]
    artifacts_bucket_arn = module.lake.bucket_arns["artifacts"]
    reports_bucket_arn   = module.lake.bucket_arns["reports"]
    kms_key_arn          = module.lake.kms_key_arn
  }

  catalog = var.catalog == null ? null : {
    arn       = "arn:${data.aws_partition.this.partition}:glue:${var.region}:${data.aws_caller_identity.this.account_id}"
    databases = values(module.catalog[0].databases)
  }
  stream = var.stream == null ? null : { cluster_arn = module.stream[0].cluster_arn }
  compute = var.compute == null ? null : {
    application_arn = module.compute[0].application_arn
    log_group_arn   = module.compute[0].log_group_arn
  }
}

module "catalog" {
  source = "../../modules/catalog"
  count  = var.catalog == null ? 0 : 1

  name          = local.name
  lake_bucket   = module.lake.lake_bucket
  compatibility = var.catalog.compatibility

  products = {
    for product, each in local.products : product => {
      title = each.title
      tables = {
        for table, columns in each.tables : table => [
          for column in columns : { name = split(" ", column)[0], type = split(" ", column)[1] }
        ]
      }
      schemas = { for schema, text in each.schemas : schema => jsonencode(text) }
    }
  }
}

module "orchestration" {
  source = "../../modules/orchestration"
  count  = var.orchestration == null ? 0 : 1

  name               = local.name
  airflow_version    = var.orchestration.airflow_version
  size               = var.orchestration.size
  kms_key_arn        = module.lake.kms_key_arn
  access_logs_bucket = module.lake.logs_bucket
  access_logs        = var.access_logs != null
  old_version_days   = one(var.retention[*].old_version_days)
  require_tls        = var.require_tls
  force_destroy      = var.force_destroy

  network = {
    subnet_ids         = slice(module.network[0].subnet_ids, 0, 2)
    security_group_ids = [module.network[0].jobs_security_group_id]
  }

  jobs = {
    application_arn = module.compute[0].application_arn
    role_arns       = values(module.access.job_role_arns)
    manifest_arn    = local.manifest_arn
  }
}

module "alerts" {
  source = "../../modules/alerts"

  name        = local.name
  kms_key_arn = module.lake.kms_key_arn
  emails      = var.alerts.emails
  budget      = var.alerts.budget
  alarms      = local.alarms
}

module "manifest" {
  source = "../../modules/manifest"

  environment = var.environment
  values = merge(
    {
      lake_bucket          = module.lake.lake_bucket
      artifacts_bucket     = module.lake.artifacts_bucket
      reports_bucket       = module.lake.reports_bucket
      kms_key_arn          = module.lake.kms_key_arn
      bootstrap_servers    = var.stream == null ? var.bootstrap_servers : module.stream[0].bootstrap_servers
      kafka_authentication = var.stream == null ? "none" : module.stream[0].authentication
      event_retention_days = tostring(var.event_retention_days)
      job_role_arns        = jsonencode(module.access.job_role_arns)
      alerts_topic_arn     = module.alerts.topic_arn
    },
    var.storage.endpoint == null ? {} : { storage_endpoint = var.storage.endpoint },
    var.stream == null ? {} : { max_message_bytes = tostring(module.stream[0].max_message_bytes) },
    var.compute == null ? {} : {
      emr_application_id = module.compute[0].application_id
      job_log_group      = module.compute[0].log_group_name
      job_properties     = jsonencode(module.compute[0].job_properties)
    },
    var.catalog == null ? {} : { glue_databases = jsonencode(module.catalog[0].databases) },
    var.orchestration == null ? {} : { airflow_bucket = module.orchestration[0].bucket },
  )

  # Written last: who finds the manifest finds everything else.
  depends_on = [module.access, module.alerts, module.catalog, module.compute, module.lake, module.stream]
}
