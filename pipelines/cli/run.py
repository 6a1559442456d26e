"""Commands of `pulseiq run`: the streams, the detect loop, the baseline; and `pulseiq replay` and `pulseiq demo`."""

from __future__ import annotations

from typing import Annotated

import typer

Product = Annotated[str, typer.Argument(help="name of a folder under contracts/, or a path to one")]
Once = Annotated[bool, typer.Option("--once", help="read what is there, then stop")]
MaxRows = Annotated[int, typer.Option(min=1_000, help="records in a micro-batch, at the most")]


def register(app: typer.Typer) -> None:
    """Add `run`, `replay` and `demo` to the application."""
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
    def baseline(product: Product) -> None:
        """What is normal, from gold; the only writer of the baseline.  Example: pulseiq run baseline shop"""
        from pipelines import contract as contracts
        from pipelines.jobs import baseline as job
        from pipelines.platform import settings as configuration
        from pipelines.platform.spark import session

        settings, contract = configuration.load(), contracts.load(product)
        report = job.run(session(settings, f"baseline-{contract.product}"), settings, contract)
        typer.echo(report)

    app.add_typer(run, name="run")

    @app.command()
    def replay(
        product: Product,
        yes: Annotated[bool, typer.Option("--yes", help="do not ask before the tables are removed")] = False,
    ) -> None:
        """Remove a product's tables and checkpoints and rebuild them from Kafka.  Example: pulseiq replay shop --yes"""
        from pipelines import contract as contracts
        from pipelines.platform import settings as configuration
        from pipelines.replay import rebuild

        settings, contract = configuration.load(), contracts.load(product)
        if not yes:
            typer.confirm(f"Remove every table of {contract.product} and rebuild it from Kafka?", abort=True)
        rebuild.from_kafka(settings, contract, echo=typer.echo)

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
