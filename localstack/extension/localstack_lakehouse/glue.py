"""Glue: moto's catalog and schema registry, and our own answers where moto has none or a wrong one.

What is added works on moto's own objects, so there is one state. Compatibility of schema versions is not judged.
"""

from __future__ import annotations

import json
from typing import Any

from localstack_lakehouse.calls import Answer, AwsError, Call, Handler, Request, given, page

_DEFAULT_REGISTRY = "default-registry"


class Glue:
    """What each operation does that moto does not do, or does not do right."""

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        return {
            "CreateRegistry": _create_registry,
            "UpdateRegistry": _update_registry,
            "ListSchemas": _list_schemas,
            "ListSchemaVersions": _list_schema_versions,
            "CheckSchemaVersionValidity": _check_validity,
        }


def _create_registry(call: Call, request: Request) -> Answer:
    """Moto keeps a registry's tags where GetTags does not look."""
    answer = call.forward()
    if tags := request.get("Tags"):
        _backend(call).tag_resource(answer["RegistryArn"], tags)
    return answer


def _update_registry(call: Call, request: Request) -> Answer:
    registry = _registry(call, request["RegistryId"])
    registry.description = request["Description"]
    return {"RegistryName": registry.name, "RegistryArn": registry.registry_arn}


def _list_schemas(call: Call, request: Request) -> Answer:
    if "RegistryId" in request:
        registries = [_registry(call, request["RegistryId"])]
    else:
        registries = list(_backend(call).registries.values())
    schemas = [
        {
            **given(schema.as_dict(), ("RegistryName", "SchemaName", "SchemaArn", "Description", "SchemaStatus")),
            "CreatedTime": str(schema.created_time),
            "UpdatedTime": str(schema.updated_time),
        }
        for registry in registries
        for schema in registry.schemas.values()
    ]
    return _paged(schemas, request)


def _list_schema_versions(call: Call, request: Request) -> Answer:
    schema = _schema(call, request["SchemaId"])
    versions = [
        {
            "SchemaArn": schema.schema_arn,
            "SchemaVersionId": version.schema_version_id,
            "VersionNumber": version.version_number,
            "Status": version.schema_version_status,
            "CreatedTime": str(version.created_time),
        }
        for version in schema.schema_versions.values()
    ]
    return _paged(versions, request)


def _check_validity(call: Call, request: Request) -> Answer:
    """Whether a definition can be parsed: JSON and Avro are both JSON; nothing here reads Protobuf."""
    if request["DataFormat"] == "PROTOBUF":
        return call.forward()
    try:
        parsed = json.loads(request["SchemaDefinition"])
    except ValueError as error:
        return {"Valid": False, "Error": str(error)}
    if not isinstance(parsed, dict | list | str):
        return {"Valid": False, "Error": f"a schema is no {type(parsed).__name__}"}
    return {"Valid": True}


def _backend(call: Call) -> Any:
    # Imported when first needed, as moto's backends are everywhere here.
    from moto.backends import get_backend

    return get_backend("glue")[call.account][call.region]


def _registry(call: Call, identifier: Request) -> Any:
    name = identifier.get("RegistryName") or identifier.get("RegistryArn", _DEFAULT_REGISTRY).rpartition("/")[2]
    registry = _backend(call).registries.get(name)
    if registry is None:
        raise AwsError("EntityNotFoundException", f"Registry is not found. RegistryName: {name}")
    return registry


def _schema(call: Call, identifier: Request) -> Any:
    if "SchemaArn" in identifier:
        registry, _, name = identifier["SchemaArn"].partition(":schema/")[2].partition("/")
    else:
        registry, name = identifier.get("RegistryName", _DEFAULT_REGISTRY), identifier.get("SchemaName", "")
    schema = _registry(call, {"RegistryName": registry}).schemas.get(name)
    if schema is None:
        raise AwsError("EntityNotFoundException", f"Schema is not found. SchemaName: {name}, RegistryName: {registry}")
    return schema


def _paged(found: list[Answer], request: Request) -> Answer:
    items, token = page(found, request.get("MaxResults"), request.get("NextToken"), _invalid)
    return {"Schemas": items} | ({"NextToken": token} if token else {})


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)
