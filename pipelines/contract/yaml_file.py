"""A contract's YAML files as plain mappings, refused by line: a key given twice, tabs, another document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import ContractError


class _UniqueKeys(yaml.SafeLoader):
    """YAML whose mappings refuse a key given twice, which plain YAML takes the last of."""


def _construct_mapping(loader: _UniqueKeys, node: yaml.MappingNode) -> dict[Any, Any]:
    loader.flatten_mapping(node)
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise yaml.MarkedYAMLError(
                problem=f"key '{key_node.value}' is read as {key!r}: write it in quotes",
                problem_mark=key_node.start_mark,
            )
        if key in found:
            raise yaml.MarkedYAMLError(problem=f"key '{key}' is given twice", problem_mark=key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_UniqueKeys.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_mapping)


def read_yaml(file: Path) -> dict[str, Any]:
    """The mapping in a file; ContractError names the file and the line."""
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), Loader=_UniqueKeys)  # noqa: S506  # a SafeLoader
    except OSError as error:
        raise ContractError(f"{file}: no such file", hint="see contracts/shop for the form") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ContractError(f"{file}:{line}: {error.problem}", hint="correct the file") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        raise ContractError(f"{file}: not YAML: {error}", hint="correct the file") from error
    if not isinstance(found, dict):
        raise ContractError(f"{file}: expected keys and values", hint="see contracts/shop for the form")
    return found


def mapping(file: Path, given: dict[str, Any], key: str) -> dict[str, Any]:
    """The non-empty mapping with text keys under a key."""
    found = given.get(key)
    if not isinstance(found, dict) or not found:
        raise ContractError(f"{file}: {key}: missing or empty", hint="see contracts/shop for the form")
    for name in found:
        if not isinstance(name, str):
            raise ContractError(f"{file}: {key}.{name}: a name must be text", hint="write it in quotes")
    return found
