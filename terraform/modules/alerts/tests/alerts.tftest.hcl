mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:pulseiq-test-alerts" }
  }
}

variables {
  name        = "pulseiq-test"
  kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/1"
  alarms = {
    broker-disk = {
      description = "A disk is nearly full"
      namespace   = "AWS/Kafka"
      metric      = "KafkaDataLogsDiskUsed"
      dimensions  = { "Cluster Name" = "pulseiq-test" }
      threshold   = 80
      minutes     = 10
    }
  }
}

run "an_alarm_tells_the_topic_when_it_begins_and_ends" {
  assert {
    condition = alltrue([
      for alarm in aws_cloudwatch_metric_alarm.this :
      alarm.alarm_actions == toset([output.topic_arn]) && alarm.ok_actions == toset([output.topic_arn])
    ])
    error_message = "an alarm that nobody hears"
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.this["broker-disk"].period == 600
    error_message = "minutes are sixty seconds"
  }
}

run "messages_are_encrypted" {
  assert {
    condition     = aws_sns_topic.this.kms_master_key_id == var.kms_key_arn
    error_message = "messages lie in plain text"
  }
}

run "a_budget_is_told_before_it_is_spent" {
  variables {
    budget = { dollars = 100 }
  }

  assert {
    condition     = { for each in aws_budgets_budget.this[0].notification : each.threshold => each.notification_type } == { 50 = "ACTUAL", 80 = "ACTUAL", 100 = "FORECASTED" }
    error_message = "whole budgets are told as a forecast: when they are spent it is too late"
  }
}

run "another_word_for_missing_data_is_refused" {
  command = plan

  variables {
    alarms = {
      odd = { description = "x", namespace = "x", metric = "x", dimensions = {}, threshold = 1, missing = "fine" }
    }
  }

  expect_failures = [var.alarms]
}

run "lines_of_a_log_become_the_metric_that_the_alarm_reads" {
  variables {
    alarms = {
      silent = {
        description = "Nothing is heard"
        namespace   = "PulseIQ/test"
        metric      = "Known-shop"
        threshold   = 1
        missing     = "breaching"
        counts      = { log_group = "/pulseiq/test/jobs", pattern = "{ $.event = \"tick\" }" }
      }
    }
  }

  assert {
    condition = alltrue([
      for filter in values(aws_cloudwatch_log_metric_filter.this) : [
        filter.metric_transformation[0].namespace, filter.metric_transformation[0].name, filter.log_group_name
        ] == [
        aws_cloudwatch_metric_alarm.this["silent"].namespace, aws_cloudwatch_metric_alarm.this["silent"].metric_name, "/pulseiq/test/jobs"
      ]
    ]) && length(aws_cloudwatch_log_metric_filter.this) == 1
    error_message = "the alarm waits for a metric that nobody makes"
  }
}
