output "lake_bucket" {
  description = "Bucket of the tables and checkpoints."
  value       = module.lake.lake_bucket
}

output "manifest" {
  description = "Names of the parameters that `pipelines.platform.settings` reads."
  value       = module.manifest.names
}
