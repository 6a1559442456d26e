"""Commands of `pulseiq`: quarantine."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from pipelines.refine.quarantine import Group, Sample

quarantine_app = typer.Typer(no_args_is_help=True, help="Refused events: what waits, and sending it back corrected.")

Product = Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")]
Output = Annotated[Literal["text", "json"], typer.Option(help="How to print it.")]
_SHOWN = 2_000


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.add_typer(quarantine_app, name="quarantine")


@quarantine_app.command("list")
def list_reasons(product: Product, output: Output = "text") -> None:
    """Quarantined events by reason: how many wait, how many were re-driven.  Example: pulseiq quarantine list shop"""
    from pipelines import contract as contracts
    from pipelines.cli.tables import console
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake
    from pipelines.refine.quarantine import groups

    found = groups(Lake(settings.load()), contracts.load(product))
    if output == "json":
        typer.echo(json.dumps([asdict(group) for group in found], indent=2, default=str))
    else:
        print_groups(product, found, console())


@quarantine_app.command("show")
def show_reason(
    product: Product,
    reason: Annotated[str, typer.Argument(help="A reason, from `quarantine list`.")],
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many events, the newest first.")] = 5,
    output: Output = "text",
) -> None:
    """Events of one reason that wait: where each stands, what is wrong with it, and its bytes as text.

    Example: pulseiq quarantine show shop missing_field --limit 20
    """
    from pipelines import contract as contracts
    from pipelines.cli.tables import console
    from pipelines.errors import UsageError
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake
    from pipelines.refine.quarantine import samples

    found = samples(Lake(settings.load()), contracts.load(product), reason, limit)
    if not found:
        raise UsageError(f"no event of {product} waits for '{reason}'", hint=f"pulseiq quarantine list {product}")
    if output == "json":
        typer.echo(json.dumps([_plain(each) for each in found], indent=2))
    else:
        print_samples(product, found, console())


@quarantine_app.command("redrive")
def redrive_events(
    product: Product,
    fix: Annotated[Path, typer.Option("--fix", help="What is changed in which events; see the cookbook.")],
    actor: Annotated[str | None, typer.Option("--by", help="Who does it; your user name when left out.")] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only count what would be sent.")] = False,
) -> None:
    """Send quarantined events through the door again, corrected; run twice or killed half way, each goes once.

    Example: pulseiq quarantine redrive shop --fix renamed-latency.yaml
    """
    import getpass

    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.refine import fix as fixes
    from pipelines.refine.redrive import redrive

    contract, wanted = contracts.load(product), fixes.read(fix)
    done = redrive(settings.load(), contract, wanted, actor=actor or getpass.getuser(), dry=dry)
    typer.echo(f"{done.sent:,} events {'would be' if dry else 'were'} sent to {contract.redrive_topic}")
    for why, count in done.left.most_common():
        typer.echo(f"{count:,} {why}")


def print_groups(product: str, found: Sequence[Group], console: Console) -> None:
    """Reasons as one table."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from pipelines.cli.tables import whole
    from pipelines.incidents.events import printable

    if not found:
        console.print(f"{product}: quarantine is empty", markup=False)
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("waiting", "re-driven"):
        table.add_column(name, justify="right")
    for name in ("reason", "event types", "newest (UTC)", "for example"):
        table.add_column(name)
    for group in found:
        table.add_row(
            f"{group.waiting:,}",
            f"{group.redriven:,}" if group.redriven else "",
            escape(group.reason),
            escape(printable(", ".join(group.event_types))),
            f"{group.last:%Y-%m-%d %H:%M:%S}",
            escape(printable(group.details[0])),
        )
    console.print(whole(table))
    console.print(
        f"next: pulseiq quarantine show {product} {found[0].reason}", markup=False, highlight=False, soft_wrap=True
    )


def print_samples(product: str, found: Sequence[Sample], console: Console) -> None:
    """Events one below the other."""
    from pipelines.incidents.events import printable

    for each in found:
        console.print(
            f"{each.position}, arrived {each.arrived_at:%Y-%m-%d %H:%M:%S} UTC", markup=False, highlight=False
        )
        for label, text in (("detail", each.detail), ("key", _text(each.key)), ("value", _text(each.value))):
            console.print(f"  {label:<8}{printable(text, _SHOWN)}", markup=False, highlight=False, soft_wrap=True)
    command = f"pulseiq quarantine redrive {product} --fix FILE --dry-run"
    console.print(f"next: {command}", markup=False, highlight=False, soft_wrap=True)


def _plain(sample: Sample) -> dict[str, Any]:
    plain = {**asdict(sample), "arrived_at": sample.arrived_at.isoformat()}
    return {**plain, "key": _text(sample.key), "value": _text(sample.value)}


def _text(given: bytes | None) -> str:
    if given is None:
        return "(null)"
    return given.decode("utf-8", "backslashreplace")
