"""Commands of `pulseiq jobs`: other commands of `pulseiq`, as jobs of EMR Serverless."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.platform.job_runs import Listed

Identifier = Annotated[str, typer.Argument(help="what `pulseiq jobs list` shows first")]
_HINT = "pulseiq jobs start --help; options of the command go after --"
Output = Annotated[Literal["text", "json"], typer.Option(help="how to print it")]


def register(app: typer.Typer) -> None:
    """Add `jobs` to the application."""
    jobs = typer.Typer(
        no_args_is_help=True,
        help="Run other commands as jobs of EMR Serverless, on AWS and here; `pulseiq package` brings them there.",
    )
    jobs.command()(start)
    jobs.command("list")(list_jobs)
    jobs.command()(show)
    jobs.command()(cancel)
    app.add_typer(jobs, name="jobs")


def start(
    role: Annotated[str, typer.Argument(help="the job whose role it runs under: live, baseline, replay, ...")],
    words: Annotated[list[str], typer.Argument(help="a command of pulseiq; after --, where it has options")],
    output: Output = "text",
) -> None:
    """Submit a command. What reads on until it is ended runs as a stream, and is started again when it fails.

    Example: pulseiq jobs start live run live shop

    Exit codes: 0 submitted, 2 there is no such role, command or product, 3 wrong contract, 4 there is no application,
    or no package for it.
    """
    check_words(words)
    from pipelines.platform import job_runs, package
    from pipelines.platform import settings as configuration

    settings = configuration.load()
    submitted = job_runs.submit(settings, package.current(settings), role, words)
    if output == "json":
        typer.echo(json.dumps({"id": submitted.identifier, "name": submitted.name, "logs": submitted.logs}))
        return
    typer.echo(f"{submitted.identifier}  {submitted.name}: pulseiq {' '.join(words)}\nits logs: {submitted.logs}")


def check_words(words: Sequence[str]) -> None:
    """Refuse what a job would refuse, before it is submitted and fails as often as it is started again.

    Raises:
        UsageError: it is no command of pulseiq, or there is no such product.
        ContractError: the product's contract is wrong.
    """
    from typer import main as typers

    from pipelines import contract as contracts
    from pipelines.cli.main import build

    said = " ".join(words)
    command: Any = typers.get_command(build())
    context, name, rest = None, "pulseiq", list(words)
    try:
        # Words are parsed as far as a command reads them, and nothing is run.
        while hasattr(command, "resolve_command"):
            if not rest:
                raise UsageError(f"'{said}' is no command of pulseiq: one of its own commands is missing", hint=_HINT)
            context = command.make_context(name, rest, parent=context)
            name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
    except typer.Exit:
        return  # Asked for help, which any command gives.
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        raise UsageError(
            f"'{said}' is no command of pulseiq: {error.format_message().rstrip('.')}", hint=_HINT
        ) from error
    product = context.params.get("product")
    if isinstance(product, str):
        contracts.load(product)


def list_jobs(
    ended: Annotated[bool, typer.Option("--all", help="those that have ended, too")] = False, output: Output = "text"
) -> None:
    """Jobs that run or wait, newest first.

    Example: pulseiq jobs list --all

    Exit codes: 0, 4 EMR Serverless does not answer.
    """
    from pipelines.platform import job_runs
    from pipelines.platform import settings as configuration

    found = job_runs.listed(configuration.load(), ended=ended)
    if output == "json":
        typer.echo(json.dumps([each.to_dict() for each in found], indent=2))
    elif not found:
        typer.echo("no jobs" if ended else "no job runs")
    else:
        _print(found)


def show(identifier: Identifier, output: Output = "text") -> None:
    """One job: what it runs, how often it was started, its state in words, where its logs are.

    Example: pulseiq jobs show 00f3kqv1bnq2tp09

    Exit codes: 0, 2 there is no such job, 4 EMR Serverless does not answer.
    """
    from pipelines.platform import job_runs
    from pipelines.platform import settings as configuration

    found = job_runs.shown(configuration.load(), identifier)
    if output == "json":
        typer.echo(json.dumps(found.to_dict(), indent=2))
        return
    for name, value in found.to_dict().items():
        typer.echo(f"{name:9}{value}")


def cancel(identifier: Identifier) -> None:
    """End a job and wait until it has ended; one that has ended already is left alone.

    Example: pulseiq jobs cancel 00f3kqv1bnq2tp09

    Exit codes: 0 it has ended, 2 there is no such job, 4 EMR Serverless does not answer, or it does not end.
    """
    from pipelines.platform import job_runs
    from pipelines.platform import settings as configuration

    settings = configuration.load()
    state = job_runs.cancel(settings, job_runs.shown(settings, identifier).run)
    typer.echo(f"{identifier}: {state}")


def _print(found: list[Listed]) -> None:
    from rich.table import Table

    from pipelines.cli.tables import console, whole

    table = Table("id", "job", "state", "since (UTC)", "attempt", box=None, pad_edge=False)
    for each in found:
        since = f"{each.created:%Y-%m-%d %H:%M}"
        table.add_row(each.run.identifier, each.run.name, each.state, since, str(each.attempt))
    console().print(whole(table))
