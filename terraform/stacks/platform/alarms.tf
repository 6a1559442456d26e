locals {
  # The metric is made of the log group's lines, and there is none without jobs.
  watched = var.compute == null ? [] : var.alerts.watched

  alarms = merge(
    {
      for product in local.watched : "detect-silent-${product}" => {
        description = "Nobody knows how ${product} is: its detect loop has stopped, hangs, or lags behind Kafka for 15 minutes"
        namespace   = "PulseIQ/${local.name}"
        metric      = "Known-${product}"
        statistic   = "Sum"
        comparison  = "LessThanThreshold"
        threshold   = 1
        times       = 3
        missing     = "breaching"

        counts = {
          log_group = module.compute[0].log_group_name
          pattern   = "{ $.event = \"tick\" && $.product = \"${product}\" && $.caught_up IS TRUE }"
        }
      }
    },
    var.compute == null ? {} : {
      job-failed = {
        description = "A Spark job failed: read its log group, then start it again; it goes on where it stopped"
        namespace   = "AWS/EMRServerless"
        metric      = "FailedJobs"
        dimensions  = { ApplicationId = module.compute[0].application_id }
        threshold   = 0
      }
    },
    one(var.stream[*].provisioned) == null ? {} : {
      broker-disk = {
        description = "A broker's disk is nearly full: lower the topics' retention or enlarge the volume"
        namespace   = "AWS/Kafka"
        metric      = "KafkaDataLogsDiskUsed"
        dimensions  = { "Cluster Name" = local.name }
        threshold   = 80
      }
      partitions-offline = {
        description = "Partitions without a leader: their events wait with the producers"
        namespace   = "AWS/Kafka"
        metric      = "OfflinePartitionsCount"
        dimensions  = { "Cluster Name" = local.name }
        threshold   = 0
      }
    },
    var.orchestration == null ? {} : {
      scheduler-silent = {
        description = "Airflow's scheduler does not answer: baselines and audits are not run"
        namespace   = "AmazonMWAA"
        metric      = "SchedulerHeartbeat"
        dimensions  = { Environment = local.name, Function = "Scheduler" }
        statistic   = "Sum"
        comparison  = "LessThanThreshold"
        threshold   = 1
        times       = 3
        missing     = "breaching"
      }
    },
  )
}
