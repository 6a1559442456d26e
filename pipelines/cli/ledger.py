"""Commands of `pulseiq`: ledger."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

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
    """Is every event accounted for, once?  Example: pulseiq ledger shop --complete

    Exit codes: 0 it balances, 7 it does not.
    """
    from pipelines import contract as contracts
    from pipelines.cli.tables import console
    from pipelines.ledger.audit import audit
    from pipelines.ledger.report import print_ledger
    from pipelines.platform import settings

    contract = contracts.load(product)
    found = audit(settings.load(), contract)
    if output == "json":
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        print_ledger(found, console(), contract.topic)
    if not found.balances or (complete and found.waiting):
        raise typer.Exit(DOES_NOT_BALANCE)
