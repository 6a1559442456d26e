"""Commands of `pulseiq run`: the streams, the detect loop, the jobs that a scheduler starts; and `pulseiq demo`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from datetime import datetime

# The command did its work, and the answer is no; a scheduler can tell it from a failure.
GATE_HOLDS = 8
OVER_BUDGET = 9

Product = Annotated[str, typer.Argument(help="name of a folder under contracts/, or a path to one")]
Once = Annotated[bool, typer.Option("--once", help="read what is there, then stop")]
Output = Annotated[Literal["text", "json"], typer.Option(help="how to print it")]
MaxRows = Annotated[int, typer.Option(min=1_000, help="records in a micro-batch, at the most")]


def register(app: typer.Typer) -> None:
    """Add `run` and `demo` to the application."""
    run = typer.Typer(no_args_is_help=True, help="Run a product's streams, or one of them.")

    @run.command()
    def bronze(product: Product, once: Once = False, max_rows: MaxRows = 200_000) -> None:
        """Kafka to bronze: every record as it came.  Example: pulseiq run bronze shop --once"""
        _live(product, ["bronze"], once, max_rows)

    @run.command()
    def refine(product: Product, once: Once = False, max_rows: MaxRows = 200_000) -> None:
        """Kafka to silver, quarantine, duplicates, held and gold.  Example: pulseiq run refine shop"""
        _live(product, ["refine"], once, max_rows)

    @run.command()
    def detect(product: Product, once: Once = False) -> None:
        """Evaluate every unconfirmed window.  Example: pulseiq run detect shop --once"""
        _live(product, ["detect"], once, 200_000)

    @run.command()
    def live(product: Product, once: Once = False, max_rows: MaxRows = 200_000) -> None:
        """All three in one driver; the death of any one ends it.  Example: pulseiq run live shop"""
        _live(product, ["bronze", "refine", "detect"], once, max_rows)

    @run.command()
    def baseline(
        product: Product,
        until: Annotated[
            str | None, typer.Option(help="end of the history, UTC unless said; by default all that no longer changes")
        ] = None,
    ) -> None:
        """What is normal, from gold; the only writer of the baseline.  Example: pulseiq run baseline shop"""
        from pipelines import contract as contracts
        from pipelines.contract.duration import parse_moment
        from pipelines.jobs import baseline as job
        from pipelines.platform import settings as configuration
        from pipelines.platform.spark import session

        try:
            end = None if until is None else parse_moment(until)
        except ValueError as error:
            raise UsageError(f"--until: {error}") from error
        _refuse_future("--until", end, "leave it out for all that no longer changes")
        settings, contract = configuration.load(), contracts.load(product)
        report = job.run(session(settings, f"baseline-{contract.product}"), settings, contract, end)
        typer.echo(report)

    @run.command()
    def maintenance(
        product: Product,
        retention: Annotated[str, typer.Option(help="age of files that no reader can need, at the least")] = "7d",
        output: Output = "text",
    ) -> None:
        """Compact, merge closed windows, delete old files, see growth.  Example: pulseiq run maintenance shop"""
        import getpass

        from pipelines import contract as contracts
        from pipelines.contract.duration import parse_duration
        from pipelines.jobs import maintenance as job
        from pipelines.platform import settings as configuration
        from pipelines.platform.spark import session

        try:
            kept = parse_duration(retention)
        except ValueError as error:
            raise UsageError(f"--retention: {error}") from error
        settings, contract = configuration.load(), contracts.load(product)
        spark = session(settings, f"maintenance-{contract.product}", memory="1g")
        done = job.run(spark, settings, contract, retention=kept, actor=getpass.getuser())
        typer.echo(json.dumps(done.to_dict()) if output == "json" else done)

    @run.command()
    def publish(product: Product, output: Output = "text") -> None:
        """Closed windows of gold to gold_published, if the gate lets them.  Example: pulseiq run publish shop

        Exit codes: 0 published, 8 the gate holds and nothing was published.
        """
        from pipelines import contract as contracts
        from pipelines.jobs import publish as job
        from pipelines.platform import settings as configuration
        from pipelines.platform.spark import session

        settings, contract = configuration.load(), contracts.load(product)
        done = job.run(session(settings, f"publish-{contract.product}", memory="1g"), settings, contract)
        typer.echo(json.dumps(done.to_dict()) if output == "json" else done)
        if done.held:
            raise typer.Exit(GATE_HOLDS)

    @run.command("cost-report")
    def cost_report(
        product: Product,
        day: Annotated[
            str | None, typer.Option(help="UTC day, e.g. 2026-11-23; the last 24 hours when left out")
        ] = None,
        budget: Annotated[float, typer.Option(min=0, help="dollars per million events")] = 1.0,
        output: Output = "text",
    ) -> None:
        """Storage, requests and compute per layer, against a budget.  Example: pulseiq run cost-report shop

        Exit codes: 0 within the budget, 9 over it.
        """
        from pipelines import contract as contracts
        from pipelines.contract.duration import parse_moment
        from pipelines.jobs import cost_report as job
        from pipelines.platform import settings as configuration

        try:
            begin = None if day is None else parse_moment(day)
        except ValueError as error:
            raise UsageError(f"--day: {error}") from error
        _refuse_future("--day", begin, "leave it out for the last 24 hours")
        report = job.run(configuration.load(), contracts.load(product), day=begin, budget_usd=budget)
        typer.echo(json.dumps(report.to_dict()) if output == "json" else report)
        if not report.within_budget:
            raise typer.Exit(OVER_BUDGET)

    app.add_typer(run, name="run")

    @app.command()
    def demo(
        scenario: Annotated[str, typer.Option(help="a file of contracts/shop/scenarios, without .yaml")] = (
            "conversion-drop"
        ),
        seed: Annotated[int, typer.Option(help="the simulated world's seed")] = 7,
        override: Annotated[
            list[str] | None, typer.Option("--set", help="change the scenario, e.g. where.DIMENSION=VALUE")
        ] = None,
    ) -> None:
        """A week of simulated traffic with an incident, through everything, to the report.  Example: pulseiq demo"""
        from pipelines.jobs import demo as job

        job.run(scenario, seed, override or [])


def _refuse_future(option: str, given: datetime | None, hint: str) -> None:
    from datetime import UTC, datetime

    if given is not None and given > datetime.now(UTC):
        raise UsageError(f"{option}: {given.astimezone(UTC):%Y-%m-%d %H:%M} UTC is in the future", hint=hint)


def _live(product: str, queries: list[str], once: bool, max_rows: int) -> None:
    from pipelines import contract as contracts
    from pipelines.jobs.live import Live, Pace, stop_requested
    from pipelines.platform import kafka
    from pipelines.platform import settings as configuration
    from pipelines.platform.spark import session

    settings, contract = configuration.load(), contracts.load(product)
    kafka.ensure_topics(settings, contract)
    spark = session(settings, f"{'-'.join(queries)}-{contract.product}")
    with (
        stop_requested() as stopping,
        Live(spark, settings, contract, queries, Pace(max_rows=max_rows)) as running,  # type: ignore[arg-type]
    ):
        running.start(once=once)
        if once:
            running.drain()
            if "detect" in queries:
                running.tick()
        else:
            running.run_forever(stopping)
