"""`pulseiq now` and `pulseiq incidents`: the answers, read from the lake in a second and without a JVM.

Exit codes of `now`: 0 normal, 10 abnormal, 11 unknown (detect has not run, or not for long).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from pipelines.errors import UsageError

NORMAL, ABNORMAL, UNKNOWN = 0, 10, 11
CODES = {"normal": NORMAL, "abnormal": ABNORMAL, "unknown": UNKNOWN}


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
        from pipelines.cli.tables import console, whole
        from pipelines.incidents import now as state
        from pipelines.incidents import report

        lake, contract = _lake(product)
        found = state.ask(lake, contract, datetime.now(UTC))
        line = f"{found.product}: {found.why}"
        if output is Output.json:
            _print_json(
                {
                    "product": found.product,
                    "state": found.state,
                    "why": line,
                    "evaluated_at": found.tick.tick_at if found.tick else None,
                    "data_until": found.tick.data_until if found.tick else None,
                    "incidents": [each.model_dump(mode="json") for each in found.incidents],
                }
            )
        else:
            out = console()
            out.print(line, markup=False)
            out.print()
            for each in found.counted:
                out.print(report.render(each))
            if found.aside:
                out.print(whole(report.table(found.aside)))
        raise typer.Exit(CODES[found.state])

    group = typer.Typer(no_args_is_help=True, help="Incidents: what was found, why, and what next.")

    @group.command("list")
    def list_(
        product: Product,
        every: Annotated[bool, typer.Option("--all", help="also those that were retracted")] = False,
        output: Form = Output.text,
    ) -> None:
        """Every incident, the most severe first.  Example: pulseiq incidents list shop"""
        from pipelines.cli.tables import console, whole
        from pipelines.incidents import report, store

        lake, contract = _lake(product)
        name = contract.product
        found = store.incidents(lake, name, retracted=every)
        if output is Output.json:
            _print_json([each.model_dump(mode="json") for each in found])
        elif found:
            console().print(whole(report.table(found)))
        else:
            console().print(f"{name}: no incidents")

    @group.command()
    def show(
        product: Product,
        incident: Annotated[str, typer.Argument(help="id of an incident, or its beginning")],
        events: Annotated[
            int, typer.Option(min=0, max=1000, help="so many raw events of the cause's segment, newest first")
        ] = 0,
        output: Form = Output.text,
    ) -> None:
        """One incident with every number behind it.  Example: pulseiq incidents show shop 20261123 --events 5"""
        from pipelines.cli.tables import console
        from pipelines.incidents import events as raw
        from pipelines.incidents import report, store

        lake, contract = _lake(product)
        name = contract.product
        known = store.incidents(lake, name, retracted=True)
        found = [each for each in known if each.incident_id.startswith(incident)]
        if len(found) != 1:
            what = f"{len(found)} incidents of {name} begin" if found else f"no incident of {name} begins"
            raise UsageError(f"{what} with '{incident}'", hint=f"pulseiq incidents list {name}")
        rows = raw.newest(lake, found[0], events) if events else []
        counts = next((each.where for each in contract.metrics if each.name == found[0].metric), None)
        if output is Output.json:
            shown = found[0].model_dump(mode="json")
            _print_json({**shown, "events": raw.as_json(rows)} if events else shown)
        else:
            console().print(report.render(found[0]))
            if events:
                console().print(raw.render(rows, counts))

    app.add_typer(group, name="incidents")


def _lake(product: str) -> tuple[Any, Any]:
    from pipelines import contract as contracts
    from pipelines.platform import settings
    from pipelines.platform.lake import Lake

    contract = contracts.load(product)
    return Lake(settings.load()), contract


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, default=str))
