locals {
  # Athena takes small letters, digits and underscores.
  prefix = replace(var.name, "-", "_")

  tables = merge([
    for product, each in var.products : {
      for table, columns in each.tables : "${product}.${table}" => {
        product  = product
        table    = table
        columns  = columns
        location = "s3://${var.lake_bucket}/${product}/${table}"
      }
    }
  ]...)

  schemas = merge([
    for product, each in var.products : {
      for schema, text in each.schemas : "${product}.${schema}" => text
    }
  ]...)
}

resource "aws_glue_catalog_database" "this" {
  for_each = var.products

  name        = "${local.prefix}_${replace(each.key, "-", "_")}"
  description = each.value.title
}

# With its columns: Spark would register a Delta table as one column `col array<string>`, and Athena could not read it.
resource "aws_glue_catalog_table" "this" {
  for_each = local.tables

  database_name = aws_glue_catalog_database.this[each.value.product].name
  name          = each.value.table
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL                     = "TRUE"
    classification               = "delta"
    table_type                   = "DELTA"
    "spark.sql.sources.provider" = "delta"
  }

  storage_descriptor {
    location      = each.value.location
    input_format  = "org.apache.hadoop.mapred.SequenceFileInputFormat"
    output_format = "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat"

    ser_de_info {
      serialization_library = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
      parameters            = { path = each.value.location, "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.name
        type = columns.value.type
      }
    }
  }
}

resource "aws_glue_registry" "this" {
  registry_name = var.name
  description   = "Event schemas of the products' contracts"
}

resource "aws_glue_schema" "this" {
  for_each = local.schemas

  registry_arn      = aws_glue_registry.this.arn
  schema_name       = each.key
  data_format       = "JSON"
  compatibility     = var.compatibility
  schema_definition = each.value
}
