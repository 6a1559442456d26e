"""Command of `pulseiq`: replay."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.errors import PulseIQError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from pipelines.replay.recorded import Stretch


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command()(replay)


def replay(
    product: Annotated[str, typer.Argument(help="Name of a folder under contracts/, or a path to one.")],
    source: Annotated[
        Literal["kafka", "bronze"],
        typer.Option("--from", help="kafka: bronze and all made of it; bronze: silver and gold."),
    ] = "kafka",
    layer: Annotated[
        Literal["silver", "gold"], typer.Option(help="From bronze: silver with its gold, or gold alone out of silver.")
    ] = "silver",
    since: Annotated[str | None, typer.Option(help="From bronze: first event time, e.g. 2026-11-20T00:00Z.")] = None,
    until: Annotated[str | None, typer.Option(help="From bronze: end of the event times, itself excluded.")] = None,
    piece: Annotated[str | None, typer.Option(help="From bronze: swap in piece by piece, e.g. 1d.")] = None,
    check: Annotated[
        bool, typer.Option("--check/--swap", help="From bronze: compare and verify, change nothing.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in command_log with your name.")] = "",
    actor: Annotated[str | None, typer.Option("--by", help="Who asks; your user name when left out.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
) -> None:
    """Rebuild tables: from Kafka after they were lost, or a stretch of silver and gold from bronze.

    What was decided stays decided. From bronze it compares checksums, verifies the ledger and swaps in by one
    transaction a table; what is already right is left alone, so the command can be repeated.

    Example: pulseiq replay shop --from bronze --since 2026-11-20T00:00Z --until 2026-11-21T00:00Z --check

    Exit codes: 0 done, 2 wrong argument, 6 refused: the stream runs, or the ledger would not balance.
    """
    import getpass

    from pipelines import contract as contracts
    from pipelines.platform import settings as configuration
    from pipelines.replay import rebuild

    only_bronze = {"--layer": layer != "silver", "--since": since, "--until": until, "--piece": piece, "--check": check}
    given = [name for name, value in only_bronze.items() if value]
    if source == "kafka" and given:
        raise UsageError(f"{given[0]} needs --from bronze; from Kafka everything is rebuilt")
    settings, contract = configuration.load(), contracts.load(product)
    if source == "kafka":
        if not yes:
            _confirm(f"Rebuild the tables of {contract.product} from Kafka? Incidents and what was said of them stay.")
        rebuild.from_kafka(settings, contract, echo=typer.echo)
        return

    from pipelines.platform.spark import session
    from pipelines.replay import from_bronze

    stretches = [each.checked(contract) for each in _stretches(since, until, piece)]
    if not (yes or check):
        _confirm(f"Rebuild {layer} of {contract.product} from bronze ({len(stretches)} piece(s))?")
    done = from_bronze.rebuild(
        session(settings, f"replay-{contract.product}"),
        settings,
        contract,
        stretches,
        layer=layer,
        check=check,
        actor=actor or getpass.getuser(),
        reason=reason,
        echo=typer.echo if output == "text" else lambda line: typer.echo(line, err=True),
    )
    if output == "json":
        typer.echo(json.dumps([each.to_dict() for each in done], indent=2))


def _confirm(question: str) -> None:
    """Ask on the terminal, and end the command where the answer is no."""
    import sys

    try:
        agreed = typer.confirm(question)
    except typer.Abort:
        if sys.stdin.isatty():
            raise
        typer.echo()
        raise PulseIQError("nothing was changed: nobody is there to say yes", hint="add --yes") from None
    if not agreed:
        raise typer.Abort


def _stretches(since: str | None, until: str | None, piece: str | None) -> list[Stretch]:
    from pipelines.contract.duration import parse_duration
    from pipelines.replay.recorded import Stretch

    whole = Stretch(_moment("--since", since), _moment("--until", until))
    if not piece:
        return [whole]
    try:
        return whole.pieces(parse_duration(piece))
    except ValueError as error:
        raise UsageError(f"--piece: {error}", hint="--piece 2h, or 1d") from error


def _moment(option: str, text: str | None) -> datetime | None:
    from pipelines.contract.duration import parse_moment

    if not text:
        return None
    try:
        return parse_moment(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
