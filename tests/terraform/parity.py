"""What differs between this machine and AWS: both plans reduced to an inventory, and each difference with its reason.

Run as a module it plans both on the LocalStack of `pulseiq up` and writes the inventories and docs/reference/parity.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

from pipelines.platform import inventory, toolchain
from pipelines.platform.settings import Endpoints
from pipelines.platform.terraform import ROOT, Stack

HERE = Path(__file__).parent
INVENTORY = HERE / "inventory"
PAGE = toolchain.project_root() / "docs" / "reference" / "parity.md"
ENVIRONMENTS = ("local", "aws")

Inventory = dict[str, dict[str, Any]]


@dataclass(frozen=True, order=True)
class Difference:
    """One address that only one of them has, or one argument with two values."""

    address: str
    what: str  # "only aws", "only local", or the argument's name
    local: str = ""
    aws: str = ""


@dataclass(frozen=True)
class Reason:
    """Why differences are as they must be; `address` and `what` are patterns."""

    address: str
    what: str
    why: str

    def explains(self, difference: Difference) -> bool:
        plain, pattern = (text.replace("[", "(").replace("]", ")") for text in (difference.address, self.address))
        return fnmatchcase(plain, pattern) and fnmatchcase(difference.what, self.what)


def planned(known: Endpoints, environment: str) -> Inventory:
    """The environment's own variables, planned from nothing on the emulator that `known` has."""
    stack = Stack(known, name=f"inventory-{environment}")
    stack.initialise()
    file = stack.folder / "plan"
    given = [f"-var-file={ROOT / 'env' / environment}.tfvars", f"-var=region={known.region}"]
    stack.run("plan", f"-out={file}", "-refresh=false", *given, f"-var=endpoint_url={known.endpoint_url}")
    found = inventory.reduced(inventory.resources(stack.show(file)))
    # Their names differ by what they begin with, and that says nothing.
    text = json.dumps(found, sort_keys=True)
    for own in ("pulseiq-local", "pulseiq-000000000000"):
        text = text.replace(own, "NAME").replace(own.replace("-", "_"), "NAME")
    result: Inventory = json.loads(text.replace(f"/pulseiq/{environment}/", "/pulseiq/ENV/"))
    return result


def committed(environment: str) -> Inventory:
    found: Inventory = json.loads((INVENTORY / f"{environment}.json").read_text(encoding="utf-8"))
    return found


def rendered(found: Inventory) -> str:
    """One line for each resource, so that a change of one is a change of one line."""
    lines = [
        f" {json.dumps(address)}: {json.dumps(values, sort_keys=True)}" for address, values in sorted(found.items())
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def differences(local: Inventory, aws: Inventory) -> list[Difference]:
    return sorted(_differences(local, aws))


def _differences(local: Inventory, aws: Inventory) -> Iterator[Difference]:
    for address in local.keys() | aws.keys():
        if address not in local or address not in aws:
            yield Difference(address, "only aws" if address in aws else "only local")
            continue
        here, there = local[address], aws[address]
        for name in here.keys() | there.keys():
            if here.get(name) != there.get(name):
                yield Difference(address, name, _shown(here.get(name)), _shown(there.get(name)))


def reasons() -> list[Reason]:
    listed = yaml.safe_load((HERE / "parity.yaml").read_text(encoding="utf-8"))
    return [Reason(each["address"], each["what"], " ".join(each["why"].split())) for each in listed]


def page(local: Inventory, aws: Inventory) -> str:
    """docs/reference/parity.md."""
    found = differences(local, aws)
    both, here, there = len(local.keys() & aws.keys()), len(local.keys() - aws.keys()), len(aws.keys() - local.keys())
    lines = [
        "# What differs between this machine and AWS",
        "",
        "Written by `python -m tests.terraform.parity` from the plans of `terraform/env/local.tfvars` and",
        "`terraform/env/aws.tfvars` (reduced in `tests/terraform/inventory/`) and the reasons in",
        "`tests/terraform/parity.yaml`. A test fails when a plan changes, when a difference has no reason, and when a",
        "reason has no difference any more.",
        "",
        f"{both} resources are in both, {here} only on this machine, {there} only on AWS.",
        "",
    ]
    for reason in reasons():
        covered = [each for each in found if reason.explains(each)]
        lines += [f"## `{reason.address}`: {reason.what}", "", reason.why, ""]
        only = [each for each in covered if each.what.startswith("only ")]
        if only:
            lines += ["".join(f"- `{each.address}`\n" for each in only)]
        changed = [each for each in covered if not each.what.startswith("only ")]
        if changed:
            lines += ["| address | argument | this machine | AWS |", "|---|---|---|---|"]
            lines += [f"| `{each.address}` | `{each.what}` | {each.local} | {each.aws} |" for each in changed]
            lines += [""]
    lines += [
        "## The rehearsal",
        "",
        "`make rehearse` applies AWS's variables to the emulator. These come after them and win",
        "(`terraform/env/rehearsal.tfvars`):",
        "",
        "```hcl",
        (ROOT / "env" / "rehearsal.tfvars").read_text(encoding="utf-8").strip(),
        "```",
    ]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _shown(value: Any) -> str:
    return "" if value is None else f"`{json.dumps(value, sort_keys=True)}`"


def main() -> None:
    """Write the inventories and the page anew."""
    from pipelines.platform import settings

    known = settings.local_endpoints()
    INVENTORY.mkdir(exist_ok=True)
    for environment in ENVIRONMENTS:
        (INVENTORY / f"{environment}.json").write_text(rendered(planned(known, environment)), encoding="utf-8")
    PAGE.write_text(page(*map(committed, ENVIRONMENTS)), encoding="utf-8")
    for difference in differences(*map(committed, ENVIRONMENTS)):
        if not any(reason.explains(difference) for reason in reasons()):
            print(f"no reason: {difference.address}: {difference.what} {difference.local} {difference.aws}")


if __name__ == "__main__":
    main()
