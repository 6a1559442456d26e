"""Tables and partitions in the Glue catalog, registered with their columns: Spark would write one column of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from pipelines.errors import ServiceError
from pipelines.platform import aws
from pipelines.platform.settings import Settings

_INPUT = "org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat"
_OUTPUT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_SERDE = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
_PAGE = 100


def register(
    settings: Settings,
    product: str,
    table: str,
    columns: Mapping[str, str],
    partition: tuple[str, str],
    values: Sequence[str],
) -> str:
    """Make or update a partitioned Delta table of a product's database, and its partitions; says what was done.

    Raises:
        ServiceError: Glue does not answer or refuses.
    """
    databases = settings.glue_databases
    database = databases.get(product)
    if database is None:
        return "no Glue database for it"
    client, uri = aws.client(settings, "glue"), settings.table_uri(product, table)
    try:
        wanted = {
            "Name": table,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"EXTERNAL": "TRUE", "classification": "delta", "table_type": "DELTA"},
            "PartitionKeys": [{"Name": partition[0], "Type": partition[1]}],
            "StorageDescriptor": _storage(uri, columns),
        }
        try:
            client.create_table(DatabaseName=database, TableInput=wanted)
        except client.exceptions.AlreadyExistsException:
            client.update_table(DatabaseName=database, TableInput=wanted)
        pages = client.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=table)
        known = {each["Values"][0] for page in pages for each in page["Partitions"]}
        new = [value for value in values if value not in known]
        for begin in range(0, len(new), _PAGE):
            inputs = [
                {"Values": [value], "StorageDescriptor": _storage(f"{uri}/{partition[0]}={value}", columns)}
                for value in new[begin : begin + _PAGE]
            ]
            client.batch_create_partition(DatabaseName=database, TableName=table, PartitionInputList=inputs)
    except (BotoCoreError, ClientError) as error:
        raise ServiceError(f"Glue did not take table {database}.{table}: {error}", hint="pulseiq status") from error
    return f"Glue {database}.{table}: {len(values)} partitions, {len(new)} new"


def _storage(location: str, columns: Mapping[str, str]) -> dict[str, object]:
    return {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": location,
        "InputFormat": _INPUT,
        "OutputFormat": _OUTPUT,
        "SerdeInfo": {"SerializationLibrary": _SERDE, "Parameters": {"path": location}},
    }
