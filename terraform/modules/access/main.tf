locals {
  # What belongs to the brokers of one cluster has its ARN with another word in it.
  cluster = one(var.stream[*].cluster_arn)
  topic   = local.cluster == null ? null : replace(local.cluster, ":cluster/", ":topic/")
  group   = local.cluster == null ? null : replace(local.cluster, ":cluster/", ":group/")
}

resource "aws_iam_role" "job" {
  for_each = var.jobs

  name               = "${var.name}-${each.key}"
  description        = each.value.description
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "job" {
  for_each = var.jobs

  name   = "job"
  role   = aws_iam_role.job[each.key].id
  policy = data.aws_iam_policy_document.job[each.key].json
}
