"""Commands of `pulseiq`: new product."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.errors import ContractError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    new = typer.Typer(no_args_is_help=True, help="Start something new.")
    # With one command only, typer would leave out its name.
    new.callback()(lambda: None)
    new.command()(product)
    app.add_typer(new, name="new")


def product(
    name: Annotated[str, typer.Argument(help="Its name: small letters, digits, underscores.")],
    sample: Annotated[Path, typer.Option("--from", help="Sample events, one JSON object a line, plain or gzip.")],
    into: Annotated[Path | None, typer.Option(help="Folder of contracts; contracts/ when left out.")] = None,
) -> None:
    """Draft a product's contract from sample events: fields, dimensions, metrics; then read it and correct it.

    Example: pulseiq new product kiosk --from events.ndjson

    Exit codes: 0 a contract was written that loads, 2 the sample cannot be used or the folder exists.
    """
    import os
    import re

    from pipelines.contract import draft
    from pipelines.contract.draft import sample as samples
    from pipelines.contract.load import FOLDER

    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name):
        raise UsageError(f"'{name}' is not a product's name", hint="small letters, digits and underscores, as web_shop")
    folder = (into or FOLDER) / name
    if os.path.lexists(folder):
        raise UsageError(f"{folder} exists already", hint="choose another name, or remove it")
    found, events = samples.read(sample)
    made = draft.draft(name, found, events)
    _write(folder, made.files, sample)
    typer.echo(f"{folder}: drafted from {found.events:,} events of {sample}")
    if found.not_events:
        typer.echo(f"  {found.not_events:,} lines were no JSON objects, or nested too deeply, and were not looked at")
    for line in made.guesses:
        typer.echo(f"  {line}")
    typer.echo(
        "It loads. Now read product.yaml and metrics.yaml and correct what was guessed wrong, then:\n"
        "  pulseiq up\n"
        f"  pulseiq ingest {folder if into else name} {sample}\n"
        f"  pulseiq run live {folder if into else name} --once\n"
        f"  pulseiq run baseline {folder if into else name} --until TIME    (what came later is judged)\n"
        f"  pulseiq run live {folder if into else name}"
    )


def _write(folder: Path, files: Mapping[str, str], sample: Path) -> None:
    """Write a contract into a new folder, and leave none there that does not load."""
    import shutil

    from pipelines import contract as contracts

    made = False
    try:
        folder.mkdir(parents=True)
        made = True
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
        contracts.load(folder)
    except OSError as error:
        if made:
            shutil.rmtree(folder, ignore_errors=True)
        hint = "--into takes a folder that you may write to"
        raise UsageError(f"{folder}: cannot be written: {error.strerror}", hint=hint) from error
    except ContractError as error:
        shutil.rmtree(folder, ignore_errors=True)
        hint = "rename or leave out in the sample what is named here"
        raise UsageError(f"{sample}: no contract can be drafted of it: {error.what}", hint=hint) from error
