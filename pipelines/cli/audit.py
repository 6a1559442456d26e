"""Commands of `pulseiq`: quality audit."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.cli.quality import quality_app

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.jobs.audit import Report

# The audit could be made, and the data fail a critical expectation; a script can tell it from a command that failed.
CRITICAL_FAILED = 8


def register(app: typer.Typer) -> None:
    """Add the command to `pulseiq quality`."""
    del app
    quality_app.command("audit")(audit)


def audit(
    product: Annotated[str, typer.Argument(help="A product of contracts/, or the path of a contract.")],
    start: Annotated[
        str | None, typer.Option("--from", help="First event time, such as 2026-11-23T12:00Z; widened to windows.")
    ] = None,
    end: Annotated[str | None, typer.Option("--to", help="Event time to end before.")] = None,
    since_last: Annotated[
        bool, typer.Option("--since-last", help="What came since the last audit; the default without --from.")
    ] = False,
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
) -> None:
    """Judge bronze, silver and gold by their whole suites.

    Example: pulseiq quality audit shop --since-last

    Exit codes: 0 no critical expectation failed, 8 the data fail one.
    """
    from pipelines import contract as contracts
    from pipelines.cli.tables import console
    from pipelines.errors import UsageError
    from pipelines.jobs.audit import Asked, aligned, rows_of, run
    from pipelines.platform import settings
    from pipelines.platform.spark import session

    if since_last and (start is not None or end is not None):
        raise UsageError("--since-last has no --from and no --to", hint="leave out one of them")
    contract = contracts.load(product)
    asked = aligned(Asked(_moment("--from", start), _moment("--to", end)), contract.window)
    known = settings.load()
    spark = session(known, f"audit-{contract.product}", memory="1g")
    report = run(spark, known, contract, asked)
    if output == "json":
        rows = [{**row, "observed": json.loads(row["observed"])} for row in rows_of(report)]
        typer.echo(json.dumps(rows, indent=2, default=str))
    else:
        print_report(contract.product, report, console())
    if any(outcome.expectation.severity == "critical" for outcome in report.failed):
        raise typer.Exit(CRITICAL_FAILED)


def print_report(product: str, report: Report, console: Console) -> None:
    """What was audited, then each expectation that failed or broke, in words."""
    from rich.markup import escape

    from pipelines.contract.duration import span
    from pipelines.incidents.events import printable

    if not report.outcomes:
        console.print(f"{product}: nothing to audit, no batch has come", markup=False)
        return
    until = f" of events {span(report.from_time, report.to_time)}" if report.from_time and report.to_time else ""
    console.print(f"{product}: audit {report.run_id}, {report.batches:,} batches{until}", markup=False, highlight=False)
    for outcome in (*report.failed, *report.broken):
        each = outcome.expectation
        word = "broken" if outcome.error is not None else each.severity
        colour = {"critical": "bold red", "warning": "yellow"}.get(word, "magenta")
        console.print(f"\n[{colour}]{word}[/] {each.layer}: {escape(each.name)}", highlight=False)
        lines = [("saw", outcome.error)] if outcome.error is not None else _saw(outcome.observed)
        bounds = [f"{w} {b:g}" for w, b in (("at least", each.min), ("at most", each.max)) if b is not None]
        lines += [("expected", f"{each.expected}: {' and '.join(bounds)}"), ("why", each.why), ("owner", each.owner)]
        for label, text in lines:
            console.print(f"  {label:<9}{printable(text, 1_000)}", markup=False, highlight=False, soft_wrap=True)
    judged = [outcome for outcome in report.outcomes if outcome.success and outcome.observed.get("strata")]
    idle = sum(outcome.success and not outcome.observed.get("strata") for outcome in report.outcomes)
    console.print(
        f"\n{len(judged)} expectations met, {len(report.failed)} not, {len(report.broken)} broken; "
        f"{idle} had nothing to judge",
        highlight=False,
    )


def _moment(option: str, given: str | None) -> datetime | None:
    from pipelines.contract.duration import parse_moment
    from pipelines.errors import UsageError

    try:
        return None if given is None else parse_moment(given)
    except ValueError as error:
        raise UsageError(f"{option}: {error}", hint="write it as 2026-11-23T12:00:00Z") from error


def _saw(observed: object) -> list[tuple[str, str | None]]:
    assert isinstance(observed, dict)
    lines: list[tuple[str, str | None]] = []
    for stratum in observed["strata"]:
        note = f": {stratum['note']}" if stratum.get("note") else ""
        lines.append(("saw", f"{stratum['where']}: {stratum['value']} ({stratum['rows']:,} rows){note}"))
    if observed.get("more"):
        lines.append(("", f"and {observed['more']} more"))
    return lines
