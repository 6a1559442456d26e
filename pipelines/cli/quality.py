"""Commands of `pulseiq`: quality."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from quality.held import HeldBatch

quality_app = typer.Typer(no_args_is_help=True, help="What the gate between the layers decided.")
held_app = typer.Typer(no_args_is_help=True, help="Batches that the gate stopped.")
quality_app.add_typer(held_app, name="held")

Product = Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")]
BatchId = Annotated[int, typer.Argument(metavar="BATCH", help="The batch's number, from `held list`.")]
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
    """The held batches, newest first, and the check that stopped each."""
    from rich.console import Console

    found = [batch for batch in read_held(product) if every or batch.state == "held"]
    if output == "json":
        typer.echo(json.dumps([batch.to_dict() for batch in found], indent=2))
    else:
        print_list(product, found, Console())


@held_app.command("release")
def release_held(
    product: Product,
    batch_id: BatchId,
    reason: Annotated[str, typer.Option("--reason", help="Why these rows are right; kept with your name.")],
    actor: Annotated[str | None, typer.Option("--by", help="Who decides; your user name when left out.")] = None,
) -> None:
    """Let a held batch through to silver and gold, once, while the stream runs.

    Example: pulseiq quality held release shop 12 --reason "new price list"
    """
    import getpass

    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.spark import session
    from pipelines.refine.release import release

    known, contract = settings.load(), contracts.load(product)
    spark = session(known, f"release-{contract.product}", memory="1g")
    done = release(spark, known, contract, batch_id, actor=actor or getpass.getuser(), reason=reason)
    typer.echo(f"released batch {batch_id} of {contract.product}: {done.rows:,} rows to silver and gold")


@held_app.command("show")
def show_held(product: Product, batch_id: BatchId, output: Output = "text") -> None:
    """One held batch: where its records are, what every check saw, and what to do next."""
    from rich.console import Console

    found = [batch for batch in read_held(product) if batch.batch_id == batch_id]
    if not found:
        raise UsageError(f"product {product} holds no batch {batch_id}", hint=f"pulseiq quality held list {product}")
    if output == "json":
        typer.echo(json.dumps(found[0].to_dict(), indent=2))
    else:
        print_batch(product, found[0], Console())


def read_held(product: str) -> list[HeldBatch]:
    """Held batches of a product, newest first, from the lake."""
    import pyarrow.compute as pc

    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake
    from quality.held import COLUMNS, held_batches

    name = contracts.load(product).product
    lake = Lake(settings.load())
    batches = lake.read(name, "batches", columns=list(COLUMNS["batches"]), filter=pc.field("held") > 0)
    if not batches.num_rows:
        return []
    # Every batch leaves its results behind; only those of the held ones are worth the way.
    of_held = pc.field("batch_id").isin(batches["batch_id"].unique().to_pylist())
    results = lake.read(name, "quality_results", columns=list(COLUMNS["quality_results"]), filter=of_held)
    return held_batches(batches, results, lake.read(name, "command_log", columns=list(COLUMNS["command_log"])))


def print_list(product: str, found: Sequence[HeldBatch], console: Console) -> None:
    """Held batches as one table."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

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
    console.print(table)
    console.print(f"next: pulseiq quality held show {product} {found[0].batch_id}", markup=False)


def print_batch(product: str, batch: HeldBatch, console: Console) -> None:
    """One held batch with every check's result."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

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
        console.print(table)
    if batch.decided:
        who = batch.decided
        console.print(f"{batch.state} by {who.actor} at {who.at:%Y-%m-%d %H:%M} UTC: {who.reason}", markup=False)
    else:
        command = f'pulseiq quality held release {product} {batch.batch_id} --reason "..."'
        console.print(f"next: {command}", markup=False, highlight=False, soft_wrap=True)
