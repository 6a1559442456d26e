"""Entry point of `pulseiq`: collects the command groups and turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
import traceback

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
        build()(standalone_mode=True)
    except PulseIQError as error:
        print(f"pulseiq: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except SystemExit as end:
        if isinstance(end.code, int):
            return end.code
        if end.code is not None:
            print(end.code, file=sys.stderr)
        return int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
