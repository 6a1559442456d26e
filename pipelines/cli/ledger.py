"""Commands of `pulseiq`: ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.ledger.model import Ledger

# The ledger could be drawn up and does not balance; a script can tell it from a command that failed.
DOES_NOT_BALANCE = 7


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command()(ledger)


def ledger(
    product: Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")],
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
    complete: Annotated[bool, typer.Option("--complete", help="Also fail while records wait in Kafka.")] = False,
) -> None:
    """Is every event accounted for, once? Exit code 0: it balances; 7: it does not."""
    from rich.console import Console

    from pipelines import contract as contracts
    from pipelines.ledger.audit import audit
    from pipelines.platform import settings

    found = audit(settings.load(), contracts.load(product))
    if output == "json":
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        print_ledger(found, Console())
    if not found.balances or (complete and found.waiting):
        raise typer.Exit(DOES_NOT_BALANCE)


def print_ledger(found: Ledger, console: Console) -> None:
    """The ledger as tables; plain text when the console is not a terminal."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    classes = Table(box=box.SIMPLE_HEAD, title=f"Ledger of {found.product}", title_justify="left")
    classes.add_column("class")
    classes.add_column("events", justify="right")
    classes.add_column("of which")
    notes = {
        "silver": [("late", found.late), ("released", found.released), ("re-driven", found.redriven)],
        "quarantine": [*found.reasons.items(), ("rejected by a person", found.rejected)],
    }
    for name, count in found.classes.items():
        parts = ", ".join(f"{label} {value:,}" for label, value in notes.get(name, []) if value)
        classes.add_row(name, f"{count:,}", escape(parts))
    classes.add_section()
    classes.add_row("all", f"{sum(found.classes.values()):,}", f"in Kafka and refined: {found.events:,}")
    console.print(classes)

    ends = Table(box=box.SIMPLE_HEAD)
    ends.add_column("partition")
    for name in ("from", "refine to", "bronze to", "Kafka to"):
        ends.add_column(name, justify="right")
    for each in found.partitions:
        numbers = (each.begin, each.refine, each.bronze, each.kafka)
        ends.add_row(f"{each.topic} {each.partition}", *(f"{number:,}" for number in numbers))
    if found.partitions:
        console.print(ends)
    else:
        console.print("Kafka has no topic of it and no batch has been recorded: `pulseiq up`", markup=False)

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
