"""Commands of `pulseiq`: up, down, status, serve, doctor."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from pipelines.platform.services import Echo
    from pipelines.platform.settings import Settings


class Output(StrEnum):
    """How the result is printed."""

    text = "text"
    json = "json"


Form = Annotated[Output, typer.Option("--output", help="Form of the result.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    for command in (up, down, status, serve, doctor):
        app.command()(command)


def up(
    rebuild: Annotated[bool, typer.Option(help="Fill the lake from Kafka where it was lost.")] = True,
    watch: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=1, help="Stay, and bring back what is lost, looking this often."),
    ] = None,
    output: Form = Output.text,
) -> None:
    """Start Kafka and LocalStack, apply Terraform, rebuild a lost lake.

    It can be called at any time: what runs is left alone, what is missing is brought back. Everything listens on
    127.0.0.1 only; PULSEIQ_KAFKA_PORT and PULSEIQ_AWS_PORT choose other ports. With PULSEIQ_STORAGE=minio the buckets
    are in a MinIO, which is started too and keeps them.

    Example: pulseiq up

    Exit codes: 0 all is up, 2 what runs has its buckets elsewhere, 4 a service or Terraform failed, or a port is taken,
    5 a tool is missing.
    """
    from pipelines.platform import services

    began = time.monotonic()
    say = _say if output is Output.text else _say_aside
    services.up(say, rebuild=_rebuild if rebuild else None)
    if output is Output.json:
        print(json.dumps(services.status().to_dict()))
        return
    _say(f"up after {time.monotonic() - began:.1f} s; `pulseiq status` shows it, `pulseiq down` ends it")
    while watch is not None:
        time.sleep(watch)
        if not services.status().healthy:
            services.up(say, rebuild=_rebuild if rebuild else None)


def down(output: Form = Output.text) -> None:
    """End Kafka and LocalStack, all their processes and nothing else.

    Kafka's records stay, and so do the buckets of a MinIO. What LocalStack held is gone; the next `pulseiq up` makes it
    anew, and rebuilds the lake where that is gone too.

    Example: pulseiq down

    Exit codes: 0 nothing runs any more, 4 something cannot be ended.
    """
    from pipelines.platform import services

    services.down(_say if output is Output.text else _say_aside)
    if output is Output.json:
        print(json.dumps(services.status().to_dict()))


def serve(name: Annotated[str, typer.Argument(metavar="SERVICE", help="kafka, localstack or minio")]) -> None:
    """Be one of the services, in the foreground, until a signal ends it: for containers and service managers.

    Example: pulseiq serve kafka

    Exit codes: the service's own; 2 there is no such service, 4 its port is taken.
    """
    from pipelines.platform import services

    services.serve(name)


def status(
    service: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask only after this service, for probes.")
    ] = None,
    output: Form = Output.text,
) -> None:
    """Show the services: state, address, pid, memory.

    Example: pulseiq status --service kafka

    Exit codes: 0 everything is healthy and provisioned, 4 something is not.
    """
    from rich.table import Table

    from pipelines.platform import services

    if service is not None:
        state = services.state(service)
        print(json.dumps(asdict(state)) if output is Output.json else f"{state.title}: {state.state} {state.detail}")
        raise typer.Exit(0 if state.state == "healthy" else 4)
    found = services.status()
    if output is Output.json:
        print(json.dumps(found.to_dict()))
    else:
        table = Table("service", "state", "address", "pid", "up for", "memory", "", box=None, pad_edge=False)
        for each in found.services:
            style = "green" if each.state == "healthy" else "red"
            table.add_row(
                each.title,
                f"[{style}]{each.state}[/{style}]",
                each.address,
                str(each.pid or "-"),
                _duration(each.seconds),
                f"{each.memory_mb} MB" if each.memory_mb else "-",
                each.detail,
            )
        provisioned = "[green]yes[/green]" if found.unprovisioned is None else f"[red]no: {found.unprovisioned}[/red]"
        table.add_row("Terraform", provisioned)
        _show(table)
        if not found.healthy:
            print("next: pulseiq up", file=sys.stderr)
    if not found.healthy:
        raise typer.Exit(4)


def doctor(output: Form = Output.text) -> None:
    """Print each tool's version, where each client points, room on the machine, and the services' health.

    Example: pulseiq doctor --output json

    Exit codes: 0 all is well, 4 a service is not healthy, 5 a tool is missing or there is too little room.
    """
    from rich.markup import escape
    from rich.table import Table

    from pipelines.platform.doctor import examine

    findings = examine()
    if output is Output.json:
        print(json.dumps([finding.to_dict() for finding in findings]))
    else:
        table = Table("", "", "", box=None, pad_edge=False, show_header=False)
        group = ""
        for finding in findings:
            if finding.group != group:
                group = finding.group
                table.add_row(f"[bold]{group}[/bold]")
            value = escape(finding.value)
            problem = f"[red]{escape(finding.problem)}[/red]" if finding.problem else ""
            table.add_row(f"  {finding.name}", f"[red]{value}[/red]" if problem else value, problem)
        _show(table)
    ill = {finding.group for finding in findings if finding.problem}
    if ill:
        raise typer.Exit(5 if ill & {"tools", "room"} else 4)


def _rebuild(settings: Settings, echo: Echo) -> None:
    """Every product's lake from Kafka; imported late, because it brings Spark with it."""
    from pipelines.replay.rebuild import rebuild_all

    rebuild_all(settings, echo)


def _say(line: str) -> None:
    print(line, flush=True)


def _say_aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _show(table: Table) -> None:
    from pipelines.cli.tables import console, whole

    console().print(whole(table))


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
