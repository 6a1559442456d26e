"""Command of `pulseiq`: package."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command()(package)


def package(
    dependencies: Annotated[
        bool | None,
        typer.Option(help="Pack packages and jars too. Default: on AWS yes; here jobs use this machine's environment."),
    ] = None,
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
) -> None:
    """Build what jobs on EMR Serverless need and make it the current release in the artifacts bucket.

    Example: pulseiq package

    Exit codes: 0 uploaded, 4 S3 does not answer, 5 a build failed.
    """
    from dataclasses import asdict

    from pipelines.platform import package as packaging
    from pipelines.platform import settings

    aside = output == "json"
    found = packaging.publish(settings.load(), dependencies=dependencies, echo=lambda line: typer.echo(line, err=aside))
    if aside:
        typer.echo(json.dumps(asdict(found)))
