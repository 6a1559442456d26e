mock_provider "aws" {
  mock_resource "aws_glue_registry" {
    defaults = { arn = "arn:aws:glue:eu-central-1:123456789012:registry/pulseiq-test" }
  }
}

variables {
  name        = "pulseiq-test"
  lake_bucket = "pulseiq-test-lake"

  products = {
    web-shop = {
      title   = "A shop"
      tables  = { silver = [{ name = "event_time", type = "timestamp" }, { name = "event_id", type = "string" }] }
      schemas = { "user_action.v2" = "{}" }
    }
  }
}

run "a_table_is_where_the_lake_has_it_with_its_columns_in_order" {
  assert {
    condition     = one(aws_glue_catalog_table.this["web-shop.silver"].storage_descriptor).location == "s3://pulseiq-test-lake/web-shop/silver"
    error_message = "the catalog points elsewhere"
  }

  assert {
    condition = [
      for column in one(aws_glue_catalog_table.this["web-shop.silver"].storage_descriptor).columns : "${column.name} ${column.type}"
    ] == ["event_time timestamp", "event_id string"]
    error_message = "other columns than the table's"
  }
}

run "a_database_has_a_name_that_athena_takes" {
  assert {
    condition     = output.databases == { web-shop = "pulseiq_test_web_shop" }
    error_message = "Athena refuses hyphens"
  }
}

run "schemas_are_named_by_product_event_and_version" {
  assert {
    condition     = toset([for schema in aws_glue_schema.this : schema.schema_name]) == toset(["web-shop.user_action.v2"])
    error_message = "two products' events share a name"
  }
}
