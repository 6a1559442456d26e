module "lake" {
  source = "../../modules/lake"

  name              = var.name
  require_tls       = var.require_tls
  retention         = var.retention
  force_destroy     = var.force_destroy
  key_deletion_days = var.key_deletion_days
}

module "manifest" {
  source = "../../modules/manifest"

  environment = var.environment
  values = {
    lake_bucket       = module.lake.lake_bucket
    artifacts_bucket  = module.lake.artifacts_bucket
    reports_bucket    = module.lake.reports_bucket
    kms_key_arn       = module.lake.kms_key_arn
    bootstrap_servers = var.bootstrap_servers
  }

  # Written last: who finds the manifest finds everything else.
  depends_on = [module.lake]
}
