"""Entry point of `pulseiq`: collects the command groups and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from pipelines.errors import PulseIQError

# Each module offers `register(app)`. They import what they need inside their commands, so that `--help` stays quick.
COMMAND_MODULES = (
    "services",
    "simulate",
    "ingest",
    "run",
    "replay",
    "package",
    "jobs",
    "airflow",
    "answers",
    "why",
    "ledger",
    "quality",
    "alerts",
    "evaluate",
    "contract",
    "new",
    "env",
    "audit",
    "quarantine",
    "dashboard",
)

app = typer.Typer(
    name="pulseiq",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Is something abnormal, is it bad data or changed behaviour, and which segment caused it?",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pulseiq {importlib.metadata.version('pulseiq')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of `pulseiq` itself."""


def build() -> typer.Typer:
    """The application with every command group registered."""
    if not app.registered_commands and not app.registered_groups:
        for name in COMMAND_MODULES:
            importlib.import_module(f"pipelines.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; an expected failure prints `pulseiq: what | next: command` and exits with its code."""
    code = run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass  # Whoever read the output has seen enough.
    # Not `sys.exit`: a thread of Arrow that asks for the interpreter while it shuts down aborts the process, about
    # once in 25 runs, and the exit code that scripts branch on is lost.
    os._exit(code)


def run() -> int:
    """Run the command of `sys.argv`; returns its exit code."""
    try:
        code = build()(prog_name="pulseiq", standalone_mode=False)
    except PulseIQError as error:
        print(f"pulseiq: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        print("Aborted.", file=sys.stderr)
        return 1
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code
        if end.code is not None:
            print(end.code, file=sys.stderr)
        return int(end.code is not None)
    except Exception as error:
        if hasattr(error, "format_message"):  # Typer's own errors have no public name.
            return _refused(error)
        traceback.print_exc()
        return 1
    return code if isinstance(code, int) else 0  # Of `typer.Exit`; commands give nothing back.


def _refused(error: Any) -> int:
    """Say in one line what was typed wrong; nothing where a group without a command has shown its help."""
    said = " ".join(error.format_message().split()).replace("Value error, ", "").rstrip(".")
    if said:
        command = error.ctx.command_path if getattr(error, "ctx", None) else "pulseiq"
        print(f"pulseiq: {said[0].lower()}{said[1:]} | next: {command} --help", file=sys.stderr)
    return int(error.exit_code)


if __name__ == "__main__":
    main()
