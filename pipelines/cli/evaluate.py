"""`pulseiq evaluate`: what detection and explanation say of a file, without services, without a JVM.

Exit codes of `series`: 0 normal, 10 abnormal at the end of the file, as `pulseiq now` has them. `leaves` has 0.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from pipelines.explain import Explanation

NORMAL, ABNORMAL = 0, 10
evaluate_app = typer.Typer(no_args_is_help=True, help="Judge a file: no services, no JVM, about a second.")
Form = Annotated[Literal["text", "json"], typer.Option("--output", help="text for people, json for programs")]

Kind = Annotated[
    Literal["count", "amount", "ratio"],
    typer.Option(
        help="Never guessed. count: events, that vary by chance alone; amount: any other sums, that vary by a part of "
        "themselves; ratio: events of some kind among all, as failures among calls."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the group `evaluate` to the application."""
    app.add_typer(evaluate_app, name="evaluate")


@evaluate_app.callback()
def _group() -> None:
    """Judge a file: no services, no JVM, about a second."""


@evaluate_app.command()
def series(
    file: Annotated[Path, typer.Argument(help="CSV: timestamp,value or timestamp,numerator,denominator")],
    limit_days: Annotated[
        float | None, typer.Option(help="at most one alert of a kind in so many days; by default 4,200 points")
    ] = None,
    output: Form = "text",
) -> None:
    """Where one series left its own past, how seldom that is, and why each alert went off.

    Every point is judged by those before it alone, so the answer is the one a stream would have given. An alert is open
    for 90 points after it went off.

    Exit codes: 0 normal at the end of the file, 10 an alert is open there, 2 the file cannot be used.

    Example: pulseiq evaluate series latency.csv --limit-days 30
    """
    from pipelines.detect import record
    from pipelines.detect import series as files

    scored = record.score(files.read(file), limit_days, where=str(file))
    fired = scored[scored["alert"]]
    is_open = bool(scored["alert"].to_numpy()[-record.HOLDS - 1 :].any())
    if output == "json":
        answer: dict[str, Any] = {
            "file": str(file),
            "state": "abnormal" if is_open else "normal",
            "points": len(scored),
            "from": str(scored["timestamp"].iloc[0]),
            "to": str(scored["timestamp"].iloc[-1]),
            "evidence": float(scored["evidence"].iloc[-1]),
            "alerts": json.loads(fired.drop(columns="alert").to_json(orient="records", date_format="iso")),
        }
        typer.echo(json.dumps(answer, indent=2))
    else:
        for row in fired.itertuples():
            typer.echo(f"{row.timestamp}  {row.rule}\n  {row.reason}")
        first, last = scored["timestamp"].iloc[0], scored["timestamp"].iloc[-1]
        count = f"{len(fired)} alert{'' if len(fired) == 1 else 's'}" if len(fired) else "no alerts"
        end = "abnormal: an alert is open" if is_open else "normal"
        typer.echo(f"{file.name}: {count} in {len(scored):,} points, {first} to {last}; {end} at the end")
    raise typer.Exit(ABNORMAL if is_open else NORMAL)


@evaluate_app.command()
def leaves(
    file: Annotated[Path, typer.Argument(help="CSV with a header, one row per combination of dimension values.")],
    dims: Annotated[str, typer.Option(help="The dimension columns, as a,b,c.")],
    kind: Kind = "count",
    output: Form = "text",
) -> None:
    """Which segments caused a change: ranked causes with their share of it.

    Columns for count and amount: actual, expected.

    Columns for ratio: numerator, denominator, and of a time before it history_numerator, history_denominator.

    Example: pulseiq evaluate leaves sales.csv --dims branch,brand --kind amount
    """
    from pipelines.explain import explain
    from pipelines.explain.files import read_leaves

    names = tuple(name.strip() for name in dims.split(",") if name.strip())
    found = explain(read_leaves(file, names, kind), names, kind)
    typer.echo(as_json(found) if output == "json" else as_text(found))


def as_json(found: Explanation) -> str:
    """Causes, the ranked list behind them, and a ratio's split; numbers that are not finite are null."""
    split = found.rate_mix
    causes, ranked = (
        [{name: _plain(value) for name, value in asdict(each).items()} for each in part]
        for part in (found.causes, found.ranked)
    )
    parts = {"total": split.total, "rate": split.rate, "mix": split.mix} if split else None
    return json.dumps({"causes": causes, "ranked": ranked, "rate_mix": parts}, indent=2, allow_nan=False)


def as_text(found: Explanation) -> str:
    """The causes as sentences, then what else was close."""
    lines = []
    for number, each in enumerate(found.causes, start=1):
        doubt = "" if each.confident else " (low confidence)"
        lines += [
            f"{number}. {each.words}{doubt}",
            f"   actual {each.actual:,.6g}, expected {each.expected:,.6g}: {each.share:.0%} of the change, "
            f"{each.lift:.1f} times its part of the total, surprise {each.surprise:.3g}",
            f"   {each.consistency}",
        ]
    if not found.causes:
        lines.append("no segment moved more than its own noise")
    if found.rate_mix:
        split = found.rate_mix
        lines.append(f"of the change of {split.total:+.4f}, {split.rate:+.4f} is rate and {split.mix:+.4f} is mix")
    others = [each for each in found.ranked if each.elements not in [cause.elements for cause in found.causes]]
    if others:
        lines.append("close to it: " + "; ".join(f"{each.words} (gain {each.gain:.1f})" for each in others[:3]))
    return "\n".join(lines)


def _plain(value: object) -> object:
    return None if isinstance(value, float) and abs(value) == float("inf") else value
