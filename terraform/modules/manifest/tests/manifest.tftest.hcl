mock_provider "aws" {}

variables {
  environment = "local"
  values      = { lake_bucket = "pulseiq-test-lake", bootstrap_servers = "127.0.0.1:9092" }
}

run "names_carry_the_environment" {
  assert {
    condition     = output.names == tolist(["/pulseiq/local/bootstrap_servers", "/pulseiq/local/lake_bucket"])
    error_message = "pipelines.platform.settings would not find them"
  }
}

run "an_unknown_environment_is_refused" {
  command = plan

  variables {
    environment = "staging"
  }

  expect_failures = [var.environment]
}
