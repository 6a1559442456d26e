output "topic_arn" {
  description = "Topic that incidents, alarms and the budget are told to."
  value       = aws_sns_topic.this.arn
}
