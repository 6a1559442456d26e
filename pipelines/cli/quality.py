"""Commands of `pulseiq`: quality."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from pipelines.refine.held import Decided
    from quality.held import HeldBatch

quality_app = typer.Typer(no_args_is_help=True, help="What the gate between the layers decided.")
held_app = typer.Typer(no_args_is_help=True, help="Batches that the gate stopped.")
quality_app.add_typer(held_app, name="held")

Product = Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")]
BatchId = Annotated[int, typer.Argument(metavar="BATCH", help="The batch's number, from `held list`.")]
Reason = Annotated[str, typer.Option("--reason", help="Why you decide so; kept with your name.")]
Actor = Annotated[str | None, typer.Option("--by", help="Who decides; your user name when left out.")]
Output = Annotated[Literal["text", "json"], typer.Option(help="How to print it.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.add_typer(quality_app, name="quality")


@held_app.command("list")
def list_held(
    product: Product,
    every: Annotated[bool, typer.Option("--all", help="Also those released or rejected since.")] = False,
    output: Output = "text",
) -> None:
    """The held batches, newest first, and the check that stopped each.  Example: pulseiq quality held list shop"""
    from pipelines.cli.tables import console

    found = [batch for batch in read_held(product) if every or batch.state == "held"]
    if output == "json":
        typer.echo(json.dumps([batch.to_dict() for batch in found], indent=2))
    else:
        print_list(product, found, console())


@held_app.command("release")
def release_held(product: Product, batch_id: BatchId, reason: Reason, actor: Actor = None) -> None:
    """Let a held batch through to silver and gold, once, while the stream runs.

    Example: pulseiq quality held release shop 12 --reason "new price list"
    """
    from pipelines.refine.held import release

    done, name = _decide(release, product, batch_id, reason, actor)
    typer.echo(f"released batch {batch_id} of {name}: {done.rows:,} rows to silver and gold")


@held_app.command("reject")
def reject_held(product: Product, batch_id: BatchId, reason: Reason, actor: Actor = None) -> None:
    """Send a held batch's rows to quarantine, once, while the stream runs; a re-drive can bring them back corrected.

    Example: pulseiq quality held reject shop 12 --reason "euros sent as cents"
    """
    from pipelines.refine.held import reject

    done, name = _decide(reject, product, batch_id, reason, actor)
    typer.echo(f"rejected batch {batch_id} of {name}: {done.rows:,} rows to quarantine")


def _decide(
    command: Callable[..., Decided], product: str, batch_id: int, reason: str, actor: str | None
) -> tuple[Decided, str]:
    """Run a command on a held batch; returns what it did and the product's name."""
    import getpass

    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.spark import session
    from pipelines.refine.held import check_reason

    check_reason(reason)  # Before anything slow begins.
    known, contract = settings.load(), contracts.load(product)
    spark = session(known, f"decide-{contract.product}", memory="1g")
    return command(spark, known, contract, batch_id, actor=actor or getpass.getuser(), reason=reason), contract.product


@held_app.command("show")
def show_held(product: Product, batch_id: BatchId, output: Output = "text") -> None:
    """One held batch: where its records are, what every check saw, and what to do next.

    Example: pulseiq quality held show shop 12
    """
    from pipelines.cli.tables import console

    found = [batch for batch in read_held(product) if batch.batch_id == batch_id]
    if not found:
        raise UsageError(f"product {product} holds no batch {batch_id}", hint=f"pulseiq quality held list {product}")
    if output == "json":
        typer.echo(json.dumps(found[0].to_dict(), indent=2))
    else:
        print_batch(product, found[0], console())


@quality_app.command("docs")
def build_docs(
    product: Product,
    folder: Annotated[Path, typer.Option("--folder", help="Where the site is written.")] = Path("reports/site"),
    upload: Annotated[bool, typer.Option(help="Also put it into the reports bucket.")] = True,
    output: Output = "text",
) -> None:
    """Build the quality reports as a site: our page of the last day, and GX Data Docs below it.

    Whole without a network; open it as a file.

    Example: pulseiq quality docs shop
    """
    from pipelines import contract as contracts
    from pipelines.jobs import docs
    from pipelines.platform import reports, settings
    from quality.report.page import headline

    known, contract = settings.load(), contracts.load(product)
    built = docs.build(known, contract, folder)
    address = reports.publish(known, built.folder, f"{contract.product}/quality") if upload else None
    state = headline(built.report)[0]
    if output == "json":
        typer.echo(json.dumps({"index": str(built.index), "uploaded": address, "state": state}, indent=2))
        return
    typer.echo(f"{contract.product}: {state}")
    if address:
        typer.echo(f"uploaded to {address}")
    typer.echo(str(built.index))


def read_held(product: str) -> list[HeldBatch]:
    """Held batches of a product, newest first, from the lake."""
    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake
    from quality.stopped import stopped

    return stopped(Lake(settings.load()), contracts.load(product).product)


def print_list(product: str, found: Sequence[HeldBatch], console: Console) -> None:
    """Held batches as one table."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from pipelines.cli.tables import whole

    if not found:
        console.print(f"{product}: no batch is held", markup=False)
        return
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("batch", justify="right")
    table.add_column("time (UTC)")
    table.add_column("rows", justify="right")
    table.add_column("state")
    table.add_column("stopped by")
    for batch in found:
        stopped = "; ".join(f"{result.check}: {result.observed}" for result in batch.failed)
        time = f"{batch.batch_time:%Y-%m-%d %H:%M:%S}"
        table.add_row(str(batch.batch_id), time, f"{batch.rows:,}", batch.state, escape(stopped))
    console.print(whole(table))
    console.print(f"next: pulseiq quality held show {product} {found[0].batch_id}", markup=False, soft_wrap=True)


def print_batch(product: str, batch: HeldBatch, console: Console) -> None:
    """One held batch with every check's result."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from pipelines.cli.tables import whole
    from quality.verdict import NOTHING_WRONG

    console.print(f"[bold]batch {batch.batch_id}[/] of {escape(product)}: {batch.state}, {batch.rows:,} rows")
    console.print(f"time     {batch.batch_time:%Y-%m-%d %H:%M:%S} UTC, query {batch.query_id}", highlight=False)
    for offsets in batch.offsets:
        console.print(f"records  {offsets}", markup=False, highlight=False)
    for result in batch.failed:
        console.print(f"\n[bold red]{escape(result.check)}[/]", highlight=False)
        for label, text in (
            ("saw", result.observed), ("expected", result.expected), ("why", result.why), ("owner", result.owner),
        ):  # fmt: skip
            console.print(f"  {label:<9}{text}", markup=False, highlight=False, soft_wrap=True)
    others = [result for result in batch.results if result not in batch.failed]
    quiet = [result for result in others if result.success and result.observed == NOTHING_WRONG]
    table = Table(box=box.SIMPLE_HEAD, title="Other checks", title_justify="left")
    for name in ("check", "severity", "result", "saw"):
        table.add_column(name)
    for result in others:
        if result not in quiet:
            word = "error" if result.errored else "passed" if result.success else "failed"
            table.add_row(escape(result.check), result.severity, word, escape(result.observed))
    if quiet:
        table.add_row(f"{len(quiet)} checks on single rows", "critical", "passed", NOTHING_WRONG)
    if others:
        console.print(whole(table))
    if batch.decided:
        who = batch.decided
        console.print(f"{batch.state} by {who.actor} at {who.at:%Y-%m-%d %H:%M} UTC: {who.reason}", markup=False)
    else:
        for label, word in (("next:", "release"), ("or:  ", "reject")):
            command = f'pulseiq quality held {word} {product} {batch.batch_id} --reason "..."'
            console.print(f"{label} {command}", markup=False, highlight=False, soft_wrap=True)
