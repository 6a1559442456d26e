"""Entry point of `pulseiq`: collects the command groups and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sys

import typer

from pipelines.errors import PulseIQError

# Each module offers `register(app)`. They import what they need inside their commands, so that `--help` stays quick.
COMMAND_MODULES = ("services", "simulate", "ingest", "run", "answers", "ledger", "quality")

app = typer.Typer(
    name="pulseiq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Is something abnormal, is it bad data or changed behaviour, and which segment caused it?",
)


def build() -> typer.Typer:
    """The application with every command group registered."""
    if not app.registered_commands and not app.registered_groups:
        for name in COMMAND_MODULES:
            importlib.import_module(f"pipelines.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; an expected failure prints `pulseiq: what | next: command` and exits with its code."""
    try:
        build()(standalone_mode=True)
    except PulseIQError as error:
        print(f"pulseiq: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
