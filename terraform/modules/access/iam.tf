data "aws_caller_identity" "this" {}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["emr-serverless.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.this.account_id]
    }

    dynamic "condition" {
      for_each = var.compute[*]

      content {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = [condition.value.application_arn]
      }
    }
  }
}

data "aws_iam_policy_document" "job" {
  for_each = var.jobs

  statement {
    sid       = "ReadItsCodeAndTheLakesWord"
    actions   = ["s3:GetObject"]
    resources = ["${var.lake.artifacts_bucket_arn}/*", "${var.lake.lake_bucket_arn}/_epoch"]
  }

  # Where a job that was submitted leaves its answer; see pipelines/cli/submitted.py.
  statement {
    sid       = "LeaveItsAnswer"
    actions   = ["s3:PutObject"]
    resources = ["${var.lake.artifacts_bucket_arn}/results/*"]
  }

  # Names only. A condition on the prefix would refuse what S3A asks about the folders above a table.
  statement {
    sid       = "ListNames"
    actions   = ["s3:ListBucket", "s3:GetBucketLocation"]
    resources = [var.lake.artifacts_bucket_arn, var.lake.lake_bucket_arn]
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.lake.kms_key_arn]
  }

  statement {
    sid       = "ReadTheManifest"
    actions   = ["ssm:GetParametersByPath"]
    resources = [var.manifest_arn]
  }

  dynamic "statement" {
    for_each = length(each.value.reads) > 0 ? [each.value.reads] : []

    content {
      sid       = "ReadTables"
      actions   = ["s3:GetObject"]
      resources = [for table in statement.value : "${var.lake.lake_bucket_arn}/*/${table}/*"]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.writes) + length(each.value.checkpoints) > 0 ? [each.value] : []

    content {
      sid     = "WriteTables"
      actions = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      resources = concat(
        [for table in statement.value.writes : "${var.lake.lake_bucket_arn}/*/${table}/*"],
        [for query in statement.value.checkpoints : "${var.lake.lake_bucket_arn}/_checkpoints/*/${query}/*"],
      )
    }
  }

  dynamic "statement" {
    for_each = length(each.value.leases) > 0 ? [each.value.leases] : []

    content {
      sid       = "HoldLeases"
      actions   = ["s3:GetObject", "s3:PutObject"]
      resources = [for query in statement.value : "${var.lake.lake_bucket_arn}/_leases/*-${query}.json"]
    }
  }

  dynamic "statement" {
    for_each = each.value.reports ? [1] : []

    content {
      sid       = "WriteReports"
      actions   = ["s3:PutObject"]
      resources = ["${var.lake.reports_bucket_arn}/*"]
    }
  }

  dynamic "statement" {
    for_each = each.value.alerts ? [1] : []

    content {
      sid       = "TellPeople"
      actions   = ["sns:Publish"]
      resources = [var.alerts_topic_arn]
    }
  }

  dynamic "statement" {
    for_each = var.compute[*]

    content {
      sid       = "WriteLogs"
      actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
      resources = ["${statement.value.log_group_arn}:*"]
    }
  }

  # EMR looks for the group among all of them.
  dynamic "statement" {
    for_each = var.compute[*]

    content {
      sid       = "FindLogs"
      actions   = ["logs:DescribeLogGroups"]
      resources = ["${split(":log-group:", statement.value.log_group_arn)[0]}:log-group:*"]
    }
  }

  dynamic "statement" {
    for_each = each.value.accounts ? var.compute[*] : []

    content {
      sid       = "SeeWhichJobsRan"
      actions   = ["emr-serverless:ListJobRuns"]
      resources = [statement.value.application_arn]
    }
  }

  dynamic "statement" {
    for_each = each.value.registers ? var.catalog[*] : []

    content {
      sid     = "RegisterWhatItWrites"
      actions = ["glue:BatchCreatePartition", "glue:CreateTable", "glue:GetPartitions", "glue:UpdateTable"]
      resources = concat(
        ["${statement.value.arn}:catalog"],
        [for database in statement.value.databases : "${statement.value.arn}:database/${database}"],
        [for pair in setproduct(statement.value.databases, each.value.writes) : "${statement.value.arn}:table/${pair[0]}/${pair[1]}"],
      )
    }
  }

  dynamic "statement" {
    for_each = length(each.value.topics_read) + length(each.value.topics_write) > 0 ? var.stream[*] : []

    content {
      sid       = "ReachTheBrokers"
      actions   = ["kafka-cluster:Connect", "kafka-cluster:DescribeCluster", "kafka-cluster:WriteDataIdempotently"]
      resources = [local.cluster]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.topics_read) + length(each.value.topics_write) > 0 ? var.stream[*] : []

    content {
      sid       = "SeeAndMakeTopics"
      actions   = ["kafka-cluster:CreateTopic", "kafka-cluster:DescribeTopic", "kafka-cluster:DescribeTopicDynamicConfiguration"]
      resources = [for topic in setunion(each.value.topics_read, each.value.topics_write) : "${local.topic}/${topic}"]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.topics_read) > 0 ? var.stream[*] : []

    content {
      sid       = "ReadTopics"
      actions   = ["kafka-cluster:ReadData"]
      resources = [for topic in each.value.topics_read : "${local.topic}/${topic}"]
    }
  }

  # Consumers of ours and of Spark make up a group for each run.
  dynamic "statement" {
    for_each = length(each.value.topics_read) > 0 ? var.stream[*] : []

    content {
      sid       = "ReadAsAGroup"
      actions   = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
      resources = ["${local.group}/pulseiq-*", "${local.group}/spark-kafka-*"]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.topics_write) > 0 ? var.stream[*] : []

    content {
      sid       = "WriteTopics"
      actions   = ["kafka-cluster:WriteData"]
      resources = [for topic in each.value.topics_write : "${local.topic}/${topic}"]
    }
  }
}
