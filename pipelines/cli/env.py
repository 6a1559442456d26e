"""Commands of `pulseiq env`: what an environment would be, what it costs, and making it so."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.services import Form, Output

if TYPE_CHECKING:
    from pipelines.platform.cost import Estimate, Load
    from pipelines.platform.deployment import Plan

Rate = Annotated[float, typer.Option("--events", min=0, help="events a second that the estimate is for")]
Size = Annotated[float, typer.Option("--bytes", min=1, help="bytes of one event")]
Days = Annotated[int, typer.Option("--days", min=1, help="days that the lake keeps them")]


def register(app: typer.Typer) -> None:
    """Add `env` to the application."""
    env = typer.Typer(
        no_args_is_help=True,
        help="Plan, price and make the environment that PULSEIQ_ENV names: local (this machine) or aws.",
    )
    for command in (plan, apply, cost, destroy, rehearse, catalog):
        env.command()(command)
    app.add_typer(env, name="env")


def plan(events: Rate = 1_000, size: Size = 600, days: Days = 90, output: Form = Output.text) -> None:
    """What Terraform would do, and what it costs; nothing is changed.  Example: PULSEIQ_ENV=aws pulseiq env plan

    Exit codes: 0 planned, 2 a wrong variable, a forgotten endpoint, 4 no credentials, no LocalStack, Terraform failed.
    """
    made = _plan(events, size, days)
    if output is Output.json:
        estimate = made.estimate.to_dict() if made.estimate else None
        print(json.dumps({"changes": vars(made.changes), "estimate": estimate}))
        return
    for resource in made.resources:
        print(resource.address)
    if made.estimate:
        _show(made.estimate)
    print(f"plan: {made.changes}")


def apply(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; for automation")] = False,
    events: Rate = 1_000,
    size: Size = 600,
    days: Days = 90,
) -> None:
    """Make the environment what Terraform says. On AWS it first prints what that costs and asks.

    On this machine it also starts what does not run, as `pulseiq up` does.

    Example: PULSEIQ_ENV=aws pulseiq env apply --events 5000

    Exit codes: 0 applied, 1 not confirmed, 2 a wrong variable, 4 no credentials, a service is down, Terraform failed.
    """
    from pipelines.platform import deployment, services
    from pipelines.platform import settings as configuration

    known = configuration.endpoints()
    if known.serves_itself:
        services.up(_say)
        return
    made = _plan(events, size, days)
    if made.changes.none:
        _say("apply: nothing to do")
        return
    if made.estimate:
        _show(made.estimate)
    _say(f"plan: {made}")
    if not yes:
        if not sys.stdin.isatty():
            _say("apply: not confirmed, nothing was changed | next: --yes, where nobody can be asked")
            raise typer.Exit(1)
        if typer.prompt("Type the account's number to apply it").strip() != made.account:
            _say("apply: not confirmed, nothing was changed")
            raise typer.Exit(1)
    deployment.apply(made, _say)
    _say(f"apply: done; the manifest is in SSM under /pulseiq/{known.env}/")


def cost(events: Rate = 1_000, size: Size = 600, days: Days = 90, output: Form = Output.text) -> None:
    """What the environment costs: dollars an hour idle, a month at a load.  Example: pulseiq env cost --events 5000

    Exit codes: as `plan`.
    """
    made = _plan(events, size, days)
    if made.estimate is None:
        _say("cost: nothing; this environment is on this machine")
    elif output is Output.json:
        print(json.dumps(made.estimate.to_dict()))
    else:
        _show(made.estimate)


def destroy(
    yes: Annotated[bool, typer.Option("--yes", help="do not ask; for automation")] = False,
) -> None:
    """Destroy what `apply` made on AWS or in a rehearsal; a bucket that holds objects stops it, unless allowed to go.

    Example: PULSEIQ_ENV=aws pulseiq env destroy

    Exit codes: 0 destroyed, 1 not confirmed, 2 the local environment (`pulseiq down` ends it), 4 as `plan`.
    """
    from pipelines.errors import UsageError
    from pipelines.platform import deployment
    from pipelines.platform import settings as configuration

    known = configuration.endpoints()
    if known.serves_itself:
        raise UsageError("what runs on this machine is not destroyed by Terraform", hint="pulseiq down")
    account = deployment.account_of(known)
    if not yes and typer.prompt(f"Type {account} to destroy everything in it that is PulseIQ's").strip() != account:
        _say("destroy: not confirmed, nothing was changed")
        raise typer.Exit(1)
    deployment.destroy(known)
    _say("destroy: done")


def rehearse(
    product: Annotated[str, typer.Argument(help="name of a folder under contracts/; its topic must hold something")],
) -> None:
    """AWS's variables on the emulator: apply, an empty second plan, jobs through EMR Serverless, destroy.

    Needs PULSEIQ_ENV=aws and PULSEIQ_REHEARSAL=1, and the services of `pulseiq up`.  Example: make rehearse

    Exit codes: 0 all of it, 2 this is no rehearsal, 4 Terraform or a job failed, 6 something is not as it must be.
    """
    from pipelines import contract as contracts
    from pipelines.jobs import rehearsal

    rehearsal.run(contracts.load(product), _say)
    _say("rehearsal: done")


def catalog() -> None:
    """Write terraform/stacks/platform/catalog.json anew, after a contract or a table has changed.

    Example: pulseiq env catalog
    """
    from pipelines.jobs import catalog as job
    from pipelines.platform.spark import session, stop

    spark = session(None, "catalog", brief=True)
    try:
        text = job.render(spark)
    finally:
        stop(spark)
    changed = not job.FILE.exists() or job.FILE.read_text(encoding="utf-8") != text
    job.FILE.write_text(text, encoding="utf-8")
    _say(f"{'wrote' if changed else 'is current:'} {job.FILE.name}")


def _plan(events: float, size: float, days: int) -> Plan:
    from pipelines.platform import deployment
    from pipelines.platform import settings as configuration

    return deployment.plan(configuration.endpoints(), _load(events, size, days), _say)


def _load(events: float, size: float, days: int) -> Load:
    from pipelines.platform.cost import Load

    return Load(events, size, days)


def _show(estimate: Estimate) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("", "$ an hour, idle", "$ a month", box=None, pad_edge=False)
    table.columns[1].justify = table.columns[2].justify = "right"
    for line in estimate.lines:
        table.add_row(line.what, f"{line.hourly:.2f}", f"{line.monthly:,.0f}")
    table.add_row("[bold]in all[/bold]", f"[bold]{estimate.hourly:.2f}[/bold]", f"[bold]{estimate.monthly:,.0f}[/bold]")
    Console(width=100).print(table, highlight=False)
    print(estimate.terms)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
