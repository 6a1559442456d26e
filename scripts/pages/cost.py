"""What things cost: the list prices that every estimate uses, and the estimate of the committed plan of AWS."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pages.blocks import table
from pipelines.platform.cost import Load, price_table
from pipelines.platform.cost import estimate as priced
from pipelines.platform.inventory import Resource

# Written from a plan of aws.tfvars; a test keeps it true to Terraform.
INVENTORY = Path(__file__).resolve().parents[2] / "tests" / "terraform" / "inventory" / "aws.json"


def estimate(events: str) -> str:
    """What aws.tfvars costs at so many events a second."""
    found = priced(_planned(), Load(events_per_second=float(events)))
    rows = [(line.what, f"{line.hourly:.2f}", f"{line.monthly:,.0f}") for line in found.lines]
    rows.append(("in all", f"{found.hourly:.2f}", f"{found.monthly:,.0f}"))
    return f"{found.terms[0].upper()}{found.terms[1:]}:\n\n" + table(("", "$ an hour, idle", "$ a month"), rows)


def prices() -> str:
    """Every price of the table."""
    found = price_table()
    rows = []
    for span in ("hourly", "monthly"):
        for name, price in found[span].items():
            for kind, dollars in price.items() if isinstance(price, dict) else [("", price)]:
                rows.append((f"`{name}`", f"`{kind}`" if kind else "", f"{dollars:g}", span))
    return table(("what", "size", "$", "per"), [(*row[:3], row[3].removesuffix("ly")) for row in rows])


def _planned() -> list[Resource]:
    committed: dict[str, dict[str, Any]] = json.loads(INVENTORY.read_text(encoding="utf-8"))
    return [Resource(address, _type(address), values) for address, values in sorted(committed.items())]


def _type(address: str) -> str:
    """`aws_s3_bucket` of `module.lake.aws_s3_bucket.this["lake"]`."""
    return re.sub(r"module\.\w+(\[[^]]*\])?\.", "", address).split(".")[0]
