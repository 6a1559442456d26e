"""A Terraform plan reduced to what it would make: addresses, types, and the values known before anything exists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# What is long, follows from other values, or is the same for all resources.
_LEFT_OUT = frozenset(
    ("tags_all", "timeouts", "policy", "assume_role_policy", "schema_definition", "storage_descriptor")
)


@dataclass(frozen=True)
class Resource:
    """One planned resource. `values` are those of its arguments that are known and given."""

    address: str
    type: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Changes:
    """How many resources a plan makes, changes, replaces and destroys."""

    create: int = 0
    update: int = 0
    replace: int = 0
    delete: int = 0

    @property
    def none(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.create or self.update or self.replace or self.delete)

    def __str__(self) -> str:
        return f"{self.create} to make, {self.update} to change, {self.replace} to replace, {self.delete} to destroy"


def resources(shown: Mapping[str, Any]) -> list[Resource]:
    """Every managed resource of a plan, as `terraform show -json` prints it, by address."""
    return sorted(_of(shown["planned_values"]["root_module"]), key=lambda resource: resource.address)


def changes(shown: Mapping[str, Any]) -> Changes:
    """What applying the plan would do."""
    actions = [tuple(each["change"]["actions"]) for each in shown.get("resource_changes", ())]
    replaced = [each for each in actions if set(each) == {"create", "delete"}]
    return Changes(actions.count(("create",)), actions.count(("update",)), len(replaced), actions.count(("delete",)))


def reduced(found: list[Resource]) -> dict[str, dict[str, Any]]:
    """Address -> values worth comparing, for the inventory that is committed."""
    return {
        resource.address: {
            name: value
            for name, value in sorted(resource.values.items())
            if name not in _LEFT_OUT and value not in (None, [], {}, "")
        }
        for resource in found
    }


def _of(module: Mapping[str, Any]) -> Iterator[Resource]:
    for each in module.get("resources", ()):
        if each["mode"] == "managed":
            yield Resource(each["address"], each["type"], each.get("values", {}))
    for child in module.get("child_modules", ()):
        yield from _of(child)
