output "cluster_arn" {
  description = "The cluster."
  value       = local.serverless ? aws_msk_serverless_cluster.this[0].arn : aws_msk_cluster.this[0].arn
}

output "cluster_name" {
  description = "Name of the cluster, as its metrics are labelled."
  value       = var.name
}

output "authentication" {
  description = "How clients prove who they are: iam or none."
  value       = var.authentication
}

output "bootstrap_servers" {
  description = "Where clients begin, host:port, comma-separated."
  value = (
    local.serverless ? aws_msk_serverless_cluster.this[0].bootstrap_brokers_sasl_iam :
    var.authentication == "iam" ? aws_msk_cluster.this[0].bootstrap_brokers_sasl_iam :
    aws_msk_cluster.this[0].bootstrap_brokers
  )
}

output "max_message_bytes" {
  description = "The largest message that the brokers take."
  value       = local.max_message_bytes
}
