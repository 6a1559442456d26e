"""`pulseiq evaluate`: what detection and explanation say of a file, without services, without a JVM.

Exit codes of `series`: 0 normal, 10 abnormal at the end of the file, as `pulseiq now` has them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

NORMAL, ABNORMAL = 0, 10
evaluate_app = typer.Typer(no_args_is_help=True, help="Judge a file: no services, no JVM, about a second.")
Form = Annotated[Literal["text", "json"], typer.Option("--output", help="text for people, json for programs")]


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
