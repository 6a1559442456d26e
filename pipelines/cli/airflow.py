"""Commands of `pulseiq airflow`: the local Airflow, up and down."""

from __future__ import annotations

import typer

airflow_app = typer.Typer(no_args_is_help=True, help="The local Airflow, which runs what should not stream.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.add_typer(airflow_app, name="airflow")


@airflow_app.command()
def up() -> None:
    """Start Airflow on 127.0.0.1 beside the other services, and package the project for its jobs.

    PULSEIQ_AIRFLOW_PORT chooses another port than 8080.

    Example: pulseiq airflow up

    Exit codes: 0 it is up, 4 another service is not, or it does not start, 5 its environment is missing.
    """
    from pipelines.platform import package, services, settings

    package.publish(settings.load(), echo=typer.echo)
    address = services.up_airflow(typer.echo)
    typer.echo(f"Airflow: {address}; `pulseiq airflow down` ends it")


@airflow_app.command()
def down() -> None:
    """End Airflow, all its processes and nothing else. What it remembers stays.  Example: pulseiq airflow down"""
    from pipelines.platform import services

    services.down_airflow(typer.echo)
