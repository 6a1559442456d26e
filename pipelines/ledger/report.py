"""The ledger as a person reads it: how many events are where, how far each reader is, what does not add up."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.ledger.model import Ledger

_REJECTED = {"rejected": "rejected by a person"}


def print_ledger(found: Ledger, console: Console, topic: str | None = None) -> None:
    """The ledger as tables; plain text when the console is not a terminal. `topic` is named where there is none."""
    classes = Table(box=box.SIMPLE_HEAD, title=f"Ledger of {found.product}", title_justify="left")
    classes.add_column("class")
    classes.add_column("events", justify="right")
    classes.add_column("of which (counted in the line)", overflow="fold")
    notes = {
        "silver": [("late", found.late), ("released", found.released), ("re-driven", found.redriven)],
        # What a person rejected has that as its reason: `found.rejected` would be the same rows once more.
        "quarantine": [(_REJECTED.get(reason, reason), count) for reason, count in found.reasons.items()],
    }
    for name, count in found.classes.items():
        parts = ", ".join(f"{label} {value:,}" for label, value in notes.get(name, []) if value)
        classes.add_row(name, f"{count:,}", escape(parts))
    classes.add_section()
    classes.add_row(
        "all",
        f"{sum(found.classes.values()):,}",
        f"the sum of {', '.join(found.classes)}; in Kafka and refined: {found.events:,}",
    )
    console.print(classes)

    ends = Table(box=box.SIMPLE_HEAD)
    ends.add_column("partition", overflow="fold")
    for name in ("from", "refine to", "bronze to", "Kafka to"):
        ends.add_column(name, justify="right")
    for each in found.partitions:
        numbers = (each.begin, each.refine, each.bronze, each.kafka)
        ends.add_row(f"{each.topic} {each.partition}", *(f"{number:,}" for number in numbers))
    if found.partitions:
        console.print(ends)
    else:
        missing = f"Kafka has no topic {topic or f'of {found.product}'}, and no batch has been recorded"
        hint = f"pulseiq run live {found.product}, which makes it; so do simulate and ingest"
        console.print(f"{missing} | next: {hint}", markup=False, highlight=False, soft_wrap=True)

    if found.waiting or found.in_flight:
        console.print(f"{found.waiting:,} records wait in Kafka, {found.in_flight:,} rows are being written")
    if found.late_twins:
        console.print(f"{found.late_twins:,} events came again after the horizon:", highlight=False)
        for example in found.late_twin_examples:
            console.print(f"    {example}", highlight=False, markup=False, soft_wrap=True)
    for finding in found.findings:
        console.print(
            f"[bold red]{finding.kind}[/]: {finding.count:,}, {finding.meaning}", highlight=False, soft_wrap=True
        )
        for example in finding.examples:
            console.print(f"    {example}", highlight=False, markup=False, soft_wrap=True)
    if found.balances:
        console.print(f"[bold green]balances[/]: every one of {found.events:,} events has one place")
    else:
        console.print("[bold red]does not balance[/]")
