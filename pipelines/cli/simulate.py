"""Commands of `pulseiq`: simulate."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.simulate.run import OnProgress, Progress
    from pipelines.simulate.sinks import Sink
    from pipelines.simulate.world import World


class Output(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("simulate")(simulate)


def simulate(
    product: Annotated[str, typer.Argument(help="Product: a folder below contracts/, or a path to one.")],
    scenario: Annotated[str, typer.Option(help="Scenario of the product, see contracts/PRODUCT/scenarios.")] = "none",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same events.")] = 7,
    days: Annotated[float, typer.Option(min=0.001, help="Length of the world before --until.")] = 7.0,
    events: Annotated[int | None, typer.Option(min=1, help="Events in the whole world, about; sets the rate.")] = None,
    until: Annotated[str, typer.Option(help="End of the world, RFC 3339 or 'now'.")] = "now",
    from_: Annotated[str | None, typer.Option("--from", help="Send only from here: RFC 3339, -2h, +1d.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Send only up to here: RFC 3339, -2h, +1d.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Override in the scenario: where.NAME=VALUE, start=-1h.")
    ] = None,
    duplicates: Annotated[float | None, typer.Option(min=0, max=0.5, help="Share of events sent twice.")] = None,
    late: Annotated[float | None, typer.Option(min=0, max=0.5, help="Share of events that come late.")] = None,
    malformed: Annotated[float | None, typer.Option(min=0, max=0.5, help="Share of broken events.")] = None,
    labels: Annotated[Path | None, typer.Option(help="File for the incidents' labels, one JSON line each.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write events to this file, one a line, not to Kafka.")] = None,
    count: Annotated[bool, typer.Option("--count", help="Draw and count the events, send nothing.")] = False,
    live: Annotated[bool, typer.Option("--live", help="Send at the pace of the clock, until Ctrl-C.")] = False,
    rate: Annotated[float | None, typer.Option(min=0.01, help="With --live: events a second, steadily.")] = None,
    duration: Annotated[str | None, typer.Option(help="With --live: how long, e.g. 90s, 20m, 3h.")] = None,
    output: Annotated[Output, typer.Option(help="Form of the result.")] = Output.text,
) -> None:
    """Produce a product's telemetry with known incidents in it: history at full speed, or live at a rate.

    One seed and scenario are one world. `--from` and `--to` cut it into slices that fit together exactly:

        pulseiq simulate shop --scenario conversion-drop --until 2026-11-23T12:00:00Z --to -2h
        pulseiq simulate shop --scenario conversion-drop --until 2026-11-23T12:00:00Z --from -2h

    Example: pulseiq simulate shop --days 1 --events 20000

    Exit codes: 0 sent, 2 wrong argument or scenario, 3 wrong contract, 4 Kafka does not take the events.
    """
    from pipelines import contract as contracts
    from pipelines.errors import UsageError
    from pipelines.simulate import labels as label_file
    from pipelines.simulate import run
    from pipelines.simulate import scenario as scenarios
    from pipelines.simulate.sinks import CountSink, FileSink, KafkaSink

    if (rate is not None or duration is not None) and not live:
        raise UsageError("--rate and --duration need --live", hint="add --live, or use --events and --days")
    if live and (from_ or to or until != "now" or events is not None):
        raise UsageError("--live takes no --from, --to, --until, --events", hint="use --rate and --duration")
    contract = contracts.load(product)
    now = datetime.now(UTC)
    if live:
        start, end = now, now + _span(duration) if duration else None
    else:
        end = now if until == "now" else scenarios.parse_time(until)
        start = end - timedelta(days=days)
    faults = {"duplicates": duplicates, "late": late, "malformed": malformed}
    world = run.world_of(
        contract,
        seed,
        scenario,
        set_ or (),
        start=start,
        end=end,
        events=events,
        rate=rate,
        faults={name: share for name, share in faults.items() if share is not None},
    )
    sink: Sink
    if count:
        sink = CountSink()
    elif out is not None:
        sink = FileSink(out)
        labels = labels or out.with_name(out.name + ".labels.ndjson")
    else:
        from pipelines.platform import kafka, settings

        loaded = settings.load()
        kafka.ensure_topics(loaded, contract)
        sink = KafkaSink(loaded, contract.topic)
        labels = labels or loaded.home / "labels" / f"{world.simulator.product}-{scenario}-{seed}.ndjson"
    if labels is not None:
        label_file.write(world.labels(), labels)
    began = time.monotonic()
    with _progress(output is Output.text) as progress:
        if live:
            with _stop_signals() as stopped:
                counts = run.live(world, sink, start, end, progress, stopped)
        else:
            assert end is not None
            first = scenarios.resolve(from_, start, end) if from_ else start
            last = scenarios.resolve(to, start, end) if to else end
            counts = run.send(world, sink, first, last, progress)
    _print(world, counts, time.monotonic() - began, labels, output)


def _span(text: str) -> timedelta:
    from pipelines.contract.duration import parse_duration
    from pipelines.errors import UsageError

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--duration: {error}", hint="--duration 15m, or 2h") from error


@contextmanager
def _progress(wanted: bool) -> Iterator[OnProgress | None]:
    """A bar on a terminal, a line every ten seconds elsewhere; always on the error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    if not wanted:
        yield None
        return
    console = Console(stderr=True)
    began = said = time.monotonic()
    if console.is_terminal:
        columns = (TextColumn("sending"), BarColumn(), TextColumn("{task.fields[words]}"), TimeElapsedColumn())
        with Bar(*columns, console=console, transient=True) as bar:
            task = bar.add_task("sending", total=1.0, words="")

            def show(progress: Progress) -> None:
                rate = progress.events / max(time.monotonic() - began, 1e-3)
                words = f"{progress.events:,} events, {rate:,.0f}/s, at {progress.at:%Y-%m-%d %H:%M}"
                bar.update(task, completed=progress.done, words=words)

            yield show
        return

    def say(progress: Progress) -> None:
        nonlocal said
        if time.monotonic() - said > 10:
            said = time.monotonic()
            print(f"simulate: {progress.events:,} events, at {progress.at:%Y-%m-%d %H:%M}", file=sys.stderr, flush=True)

    yield say


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and TERM end a live run after the events at hand, with everything delivered."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print(world: World, counts: Counter[str], seconds: float, labels: Path | None, output: Output) -> None:
    found = [json.loads(label.to_json()) for label in world.labels()]
    if output is Output.json:
        file = str(labels) if labels else None
        answer = {"counts": dict(sorted(counts.items())), "seconds": round(seconds, 3)}
        print(json.dumps({**answer, "labels_file": file, "incidents": found}))
        return
    faults = ", ".join(f"{counts[name]:,} {name}" for name in ("duplicates", "late", "malformed"))
    rate = f"{seconds:.1f} s, {counts['events'] / max(seconds, 1e-3):,.0f} a second"
    print(f"{counts['events']:,} events of {world.simulator.product}, seed {world.seed}, in {rate}")
    print(f"  on purpose: {faults}")
    for name in world.simulator.events:
        print(f"  {name}: {counts[f'type.{name}']:,}")
    if not found:
        print("no incident")
    for label in found:
        cause = " and ".join(f"{name}={value}" for name, value in label["cause"].items()) or "everything"
        print(f"incident {label['kind']}: {cause}, {label['start']} to {label['end']}, expected: {label['verdict']}")
    if labels is not None:
        print(f"labels: {labels}")
