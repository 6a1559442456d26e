"""`pulseiq why`: why something did or did not alert at a window, test by test, without a JVM."""

from __future__ import annotations

import dataclasses
import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.jobs.why import Answer

Output = Annotated[Literal["text", "json"], typer.Option(help="How to print it.")]


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command()(why)


def why(
    product: Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")],
    series: Annotated[str, typer.Argument(help="A metric, or 'metric{dimension=value}' for a part of it.")],
    time: Annotated[str, typer.Argument(help="A moment within the window; UTC where it names no zone.")],
    output: Output = "text",
) -> None:
    """Why it did or did not alert then: every test, its limit, and the condition that it missed.

    Example: pulseiq why shop conversion_rate "2026-11-23 10:35"
    """
    from pipelines import contract as contracts
    from pipelines.cli.tables import console
    from pipelines.jobs.why import ask
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake

    contract = contracts.load(product)
    answer = ask(Lake(settings.load()), contract, series, moment_of(time))
    if output == "json":
        typer.echo(json.dumps(as_json(answer), indent=2, default=str))
    else:
        print_answer(answer, console())


def moment_of(text: str) -> datetime:
    """An aware moment from what was typed."""
    from pipelines.contract.duration import parse_moment

    try:
        return parse_moment(text.strip())
    except ValueError as error:
        raise UsageError(str(error), hint="e.g. '2026-11-23 10:35'") from error


def as_json(answer: Answer) -> dict[str, Any]:
    """The answer for programs; what is not a number is null."""
    found = {field.name: getattr(answer, field.name) for field in dataclasses.fields(answer)}
    found["reasons"] = [
        {name: None if _unknown(value) else value for name, value in dataclasses.asdict(each).items()}
        for each in answer.reasons
    ]
    found["incidents"] = [{"incident_id": each.incident_id, "standing": each.standing} for each in answer.incidents]
    return found


def print_answer(answer: Answer, console: Console) -> None:
    """The answer for people: the sentence, then a row of numbers per test, then what is said of each."""
    from rich.table import Table

    from pipelines.contract.duration import span
    from pipelines.detect.figures import number
    from pipelines.detect.words import how_rare

    window = span(answer.start, answer.end)
    console.print(f"{answer.product}: {answer.series}, {window}: {answer.said}", markup=False)
    if not answer.reasons:
        return
    seconds = int((answer.end - answer.start).total_seconds())
    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("test", "value", "expected", "usually", "effect", "p", "limit"):
        rows.add_column(name, overflow="fold")
    # Sentences need the whole width: as one more column they would have three letters of it.
    said = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for each in answer.reasons:
        rare = how_rare(each.p_value, seconds)
        said.add_row(each.test, f"FIRES: {rare}" if each.fired else "; ".join(each.missed) or rare)
        rows.add_row(
            each.test,
            number(each.value),
            number(each.expected),
            f"{number(each.low)} to {number(each.high)}",
            "-" if _unknown(each.effect) else f"{each.effect:+.0%}",
            f"{each.p_value:.2g}",
            f"{each.limit:.2g}",
        )
    for part in ("", rows, "", said, ""):
        console.print(part)
    for line in _notes(answer):
        console.print(line, markup=False)


def _notes(answer: Answer) -> list[str]:
    others = [each.test for each in answer.reasons if each.test not in answer.kept]
    notes = [f"baseline: {answer.history_days:.1f} days of history until {answer.baseline_until:%Y-%m-%d %H:%M} UTC"]
    if answer.kept:
        notes.append(f"as kept by the detect loop: {', '.join(answer.kept)}")
    if others:
        notes.append(f"recomputed from gold: {', '.join(others)} (of parts, only what is notable is kept)")
    notes += [f"part of incident {each.incident_id} ({each.standing})" for each in answer.incidents]
    return notes


def _unknown(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
