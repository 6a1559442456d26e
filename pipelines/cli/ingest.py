"""Commands of `pulseiq`: ingest."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.ingest.send import OnProgress


class Output(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("ingest")(ingest)


def ingest(
    product: Annotated[str, typer.Argument(help="Product: a folder below contracts/, or a path to one.")],
    file: Annotated[Path, typer.Argument(help="File of events, one a line, plain or gzip.")],
    output: Annotated[Output, typer.Option(help="Form of the result.")] = Output.text,
) -> None:
    """Send a file of events to a product's topic: JSON lines, or the access log of a product that says so.

    Every line is sent. One that cannot be understood goes as it is and ends in quarantine with its reason; a file
    whose first 100 lines are all of that kind is refused. A file sent twice within the contract's de-duplication
    horizon counts once.

    Example: pulseiq ingest weblog access.log.gz

    Exit codes: 0 sent, 1 some lines are larger than Kafka takes, 2 no such file, or none of events, 3 wrong contract,
    4 Kafka does not take the events.
    """
    from pipelines import contract as contracts
    from pipelines.errors import no_file
    from pipelines.ingest.files import records, refuse_foreign
    from pipelines.ingest.send import send
    from pipelines.platform import kafka, settings

    contract = contracts.load(product)
    if not file.is_file():
        raise no_file(file, "give a file of events, one a line, plain or gzip")
    refuse_foreign(file, contract)
    loaded = settings.load()
    kafka.ensure_topics(loaded, contract)
    with _progress(file, output is Output.text) as progress:
        sent = send(kafka.producer(loaded), contract.topic, records(file, contract), progress)
    lines = ", ".join(map(str, sent.too_large[:5])) + (", ..." if len(sent.too_large) > 5 else "")
    if output is Output.json:
        result = {"product": contract.product, "topic": contract.topic, "records": sent.records}
        print(json.dumps(result | {"too_large_lines": list(sent.too_large)}))
    else:
        print(f"{sent.records:,} records of {file.name} are in topic {contract.topic}")
    if sent.too_large:
        print(
            f"pulseiq: {len(sent.too_large)} lines are larger than Kafka takes as a record and were not sent: {lines}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


@contextmanager
def _progress(file: Path, wanted: bool) -> Iterator[OnProgress | None]:
    """A bar by bytes of the file, on a terminal only."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not wanted or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("sending"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("sending", total=max(file.stat().st_size, 1), words="")
        yield lambda count, read: bar.update(task, completed=read, words=f"{count:,} records")
