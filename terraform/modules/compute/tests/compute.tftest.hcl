mock_provider "aws" {}

variables {
  name    = "pulseiq-test"
  network = { subnet_ids = ["subnet-1"], security_group_ids = ["sg-1"] }
}

run "what_is_idle_stops_and_what_runs_is_limited" {
  command = plan

  assert {
    condition = alltrue([
      one(aws_emrserverless_application.this.auto_stop_configuration).enabled,
      one(aws_emrserverless_application.this.auto_stop_configuration).idle_timeout_minutes == 15,
      one(aws_emrserverless_application.this.maximum_capacity).cpu == "64 vCPU",
    ])
    error_message = "a forgotten or a mistaken job costs without end"
  }

  assert {
    condition     = length(aws_emrserverless_application.this.initial_capacity) == 0
    error_message = "capacity that is kept warm costs all day"
  }

  assert {
    condition     = aws_emrserverless_application.this.release_label == "emr-spark-8.0.0"
    error_message = "another Spark than the one that is tested"
  }
}

run "every_job_is_told_the_size_of_its_workers" {
  command = plan

  variables {
    workers = { cores = 4, memory = "14g", most = 3 }
  }

  assert {
    condition = output.job_properties == {
      "spark.driver.cores"                   = "4"
      "spark.driver.memory"                  = "14g"
      "spark.executor.cores"                 = "4"
      "spark.executor.memory"                = "14g"
      "spark.dynamicAllocation.maxExecutors" = "3"
    }
    error_message = "jobs take EMR's own sizes, which the estimate does not know"
  }
}

run "workers_that_emr_does_not_have_are_refused" {
  command = plan

  variables {
    workers = { cores = 3, memory = "7 GB" }
  }

  expect_failures = [var.workers]
}

run "logs_do_not_stay_for_ever" {
  command = plan

  variables {
    logs = { days = 7 }
  }

  assert {
    condition     = aws_cloudwatch_log_group.jobs.retention_in_days == 7
    error_message = "the log group keeps everything"
  }
}

run "a_limit_in_other_words_is_refused" {
  command = plan

  variables {
    limit = { cpu = "many" }
  }

  expect_failures = [var.limit]
}
