output "databases" {
  description = "Product -> the database of its tables."
  value       = { for product, database in aws_glue_catalog_database.this : product => database.name }
}

output "registry_name" {
  description = "Registry of the event schemas."
  value       = aws_glue_registry.this.registry_name
}
