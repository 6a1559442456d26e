"""Commands of `pulseiq`: alerts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.alerts.outbox import Entry

alerts_app = typer.Typer(no_args_is_help=True, help="Who was told of what, and what still waits.")

Product = Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")]
Output = Annotated[Literal["text", "json"], typer.Option(help="How to print it.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.add_typer(alerts_app, name="alerts")


@alerts_app.command("list")
def list_alerts(
    product: Product,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that no receiver has taken yet.")] = False,
    output: Output = "text",
) -> None:
    """The outbox, newest first: what was sent, what waits and why.

    Example: pulseiq alerts list shop --waiting

    Exit codes: 0, or 4 when a message has been refused five times or more.
    """
    from pipelines import contract as contracts
    from pipelines.alerts import outbox
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake

    contract = contracts.load(product)
    known = outbox.entries(Lake(settings.load()), contract)
    shown = [each for each in reversed(known) if not waiting or each.state == "due"]
    if output == "json":
        typer.echo(json.dumps([_as_dict(each) for each in shown], indent=2))
    else:
        _print(contract.product, shown)
    if any(each.state == "due" and each.attempts >= 5 for each in known):
        raise typer.Exit(4)


@alerts_app.command()
def test(
    product: Product, channel: Annotated[str, typer.Argument(help="A channel of `alerts` in metrics.yaml.")]
) -> None:
    """Send a message that says that it is a test, and say whether the receiver took it.

    Example: pulseiq alerts test shop on-call
    """
    from pipelines import contract as contracts
    from pipelines.alerts import send
    from pipelines.platform import settings

    send.test_message(settings.load(), contracts.load(product), channel, datetime.now(UTC))
    typer.echo(f"{channel}: taken")


@alerts_app.command("send")
def send_waiting(product: Product) -> None:
    """Send what waits, also what is not due yet; the detect loop does this by itself.

    Example: pulseiq alerts send shop

    Exit codes: 0 every message was taken, 4 some still wait.
    """
    from dataclasses import replace

    from pipelines import contract as contracts
    from pipelines.alerts import outbox, send
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake
    from pipelines.platform.lease import Lease

    known, contract, now = settings.load(), contracts.load(product), datetime.now(UTC)
    lake = Lake(known)
    # Two senders would send the same message twice.
    with Lease(known, f"{contract.product}-detect"):
        waiting = [replace(each, next_at=now) for each in outbox.entries(lake, contract) if each.state == "due"]
        sent = send.deliver(known, lake, contract, waiting, now)
    typer.echo(f"sent {sent} of {len(waiting)}")
    if sent < len(waiting):
        raise typer.Exit(4)


def _as_dict(entry: Entry) -> dict[str, object]:
    return {
        "message_id": entry.message_id,
        "channel": entry.channel,
        "kind": entry.message.kind,
        "state": entry.state,
        "attempts": entry.attempts,
        "created_at": entry.created_at.isoformat(),
        "sent_at": entry.sent_at.isoformat() if entry.sent_at else None,
        "error": entry.error,
        "subject": entry.message.subject,
        "text": entry.message.text,
    }


def _print(product: str, shown: Sequence[Entry]) -> None:
    from rich.table import Table
    from rich.text import Text

    from pipelines.cli.tables import console, whole

    if not shown:
        console().print(f"{product}: no messages")
        return
    table = Table("when (UTC)", "channel", "state", "message", box=None, pad_edge=False)
    for each in shown:
        tries = f", {each.attempts} tries" if each.state == "due" and each.attempts else ""
        said = each.message.subject + (f"\n{each.error}" if each.error else "")
        table.add_row(f"{each.created_at:%m-%d %H:%M}", each.channel, each.state + tries, Text(said))
    console().print(whole(table))
