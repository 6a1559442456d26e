"""`pulseiq now` and `pulseiq incidents`: the answers, read from the lake in a second and without a JVM.

Exit codes of `now`: 0 normal, 10 abnormal, 11 unknown (detect has not run, or not for long).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from pipelines.errors import UsageError

NORMAL, ABNORMAL, UNKNOWN = 0, 10, 11
# A tick older than this says nothing about now.
STALE = timedelta(minutes=10)


class Output(StrEnum):
    """Form of an answer."""

    text = "text"
    json = "json"


Product = Annotated[str, typer.Argument(help="name of a folder under contracts/, or a path to one")]
Form = Annotated[Output, typer.Option("--output", help="text for people, json for programs")]


def register(app: typer.Typer) -> None:
    """Add `now` and `incidents` to the application."""

    @app.command()
    def now(product: Product, output: Form = Output.text) -> None:
        """Is something abnormal, data or behaviour, where, how bad, since when, what next.

        Exit codes: 0 normal, 10 abnormal, 11 unknown.  Example: pulseiq now shop
        """
        from pipelines.incidents import report, store

        lake, name, clock = _lake(product)
        tick = store.last_tick(lake, name)
        found = [each for each in store.incidents(lake, name) if each.open]
        counted = [each for each in found if each.counts]
        code, line = _state(name, tick, bool(counted), datetime.now(UTC), clock)
        line += _set_aside(found)
        if output is Output.json:
            states = {NORMAL: "normal", ABNORMAL: "abnormal", UNKNOWN: "unknown"}
            _print_json(
                {
                    "product": name,
                    "state": states[code],
                    "why": line,
                    "evaluated_at": tick.tick_at if tick else None,
                    "data_until": tick.data_until if tick else None,
                    "incidents": [each.model_dump(mode="json") for each in found],
                }
            )
        else:
            console = _console()
            console.print(line, markup=False)
            console.print()
            for each in counted:
                console.print(report.render(each))
            if aside := [each for each in found if not each.counts]:
                console.print(report.table(aside))
        raise typer.Exit(code)

    group = typer.Typer(no_args_is_help=True, help="Incidents: what was found, why, and what next.")

    @group.command("list")
    def list_(
        product: Product,
        every: Annotated[bool, typer.Option("--all", help="also those that were retracted")] = False,
        output: Form = Output.text,
    ) -> None:
        """Every incident, the most severe first.  Example: pulseiq incidents list shop"""
        from pipelines.incidents import report, store

        lake, name, _ = _lake(product)
        found = store.incidents(lake, name, retracted=every)
        if output is Output.json:
            _print_json([each.model_dump(mode="json") for each in found])
        elif found:
            _console().print(report.table(found))
        else:
            _console().print(f"{name}: no incidents")

    @group.command()
    def show(
        product: Product,
        incident: Annotated[str, typer.Argument(help="id of an incident, or its beginning")],
        events: Annotated[int, typer.Option(min=0, max=1000, help="so many raw events of the cause, newest first")] = 0,
        output: Form = Output.text,
    ) -> None:
        """One incident with every number behind it.  Example: pulseiq incidents show shop 20261123 --events 5"""
        from pipelines.incidents import events as raw
        from pipelines.incidents import report, store

        lake, name, _ = _lake(product)
        known = store.incidents(lake, name, retracted=True)
        found = [each for each in known if each.incident_id.startswith(incident)]
        if len(found) != 1:
            what = "no incident" if not found else f"{len(found)} incidents"
            raise UsageError(f"{what} of {name} begin with '{incident}'", hint=f"pulseiq incidents list {name}")
        rows = raw.newest(lake, found[0], events) if events else []
        if output is Output.json:
            shown = found[0].model_dump(mode="json")
            _print_json({**shown, "events": raw.as_json(rows)} if events else shown)
        else:
            _console().print(report.render(found[0]))
            if events:
                _console().print(raw.render(rows))

    app.add_typer(group, name="incidents")


def _lake(product: str) -> tuple[Any, str, str]:
    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake

    contract = contracts.load(product)
    return Lake(settings.load()), contract.product, contract.clock


def _state(product: str, tick: Any, open_incidents: bool, now: datetime, clock: str) -> tuple[int, str]:
    """Exit code and the sentence that says it: normal is said only when it is known."""
    if tick is None:
        return UNKNOWN, f"{product}: unknown: detect has never run. Start it with: pulseiq run live {product}"
    until = f"{tick.data_until:%Y-%m-%d %H:%M} UTC" if tick.data_until else "no window"
    age = now - tick.tick_at
    seen = f"evaluated up to {until}, {_ago(age)} ago"
    if open_incidents:
        return ABNORMAL, f"{product}: abnormal, {seen}"
    if clock == "arrival" and age > STALE:
        return UNKNOWN, f"{product}: unknown: {seen}. Start it with: pulseiq run live {product}"
    if not tick.caught_up:
        return UNKNOWN, f"{product}: unknown: no data since {until}; the streams have not read all that Kafka holds"
    return NORMAL, f"{product}: normal, {seen}"


def _set_aside(found: list[Any]) -> str:
    """What is open and does not make the product abnormal."""
    planned = list(dict.fromkeys(each.planned for each in found if each.planned))
    held_back = sum(each.held_back and not each.planned for each in found)
    parts = [f"planned: {', '.join(planned)}"] if planned else []
    parts += [f"{held_back} held back in quiet hours"] if held_back else []
    return f" ({'; '.join(parts)})" if parts else ""


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 172_800 else f"{seconds // 86_400} days"


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))
