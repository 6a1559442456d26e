"""Commands of `pulseiq`: contract."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

BREAKS = 3
contract_app = typer.Typer(no_args_is_help=True, help="What is watched, and whether a change of it breaks anything.")


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.add_typer(contract_app, name="contract")


@contract_app.callback()
def _group() -> None:
    """What is watched, and whether a change of it breaks anything."""


@contract_app.command()
def check(
    old: Annotated[
        Path, typer.Argument(help="A product of contracts/, a contract's folder, or a schema file, as it was.")
    ],
    new: Annotated[Path, typer.Argument(help="The same as it shall be.")],
    output: Annotated[Literal["text", "json"], typer.Option(help="How to print it.")] = "text",
) -> None:
    """Is a change backward compatible, and what does it break? One line for each difference, with its place.

    Exit codes: 0 compatible, 3 something breaks or a contract is wrong, 2 OLD and NEW cannot be compared.

    Example: pulseiq contract check contracts/shop/user_action.v1.json contracts/shop/user_action.v2.json
    """
    from pipelines.contract.changes import compare

    found = compare(_place(old), _place(new))
    breaking = sum(change.breaks for change in found)
    if output == "json":
        plain = {"compatible": not breaking, "changes": [asdict(change) for change in found]}
        typer.echo(json.dumps(plain, indent=2))
    else:
        for change in found:
            typer.echo(str(change))
        verdict = f"not compatible: {breaking} of {len(found)} changes break" if breaking else "compatible"
        typer.echo(f"{new}: {verdict if found else 'nothing changed'}")
    raise typer.Exit(BREAKS if breaking else 0)


def _place(given: Path) -> Path:
    """A path as it is; the folder of a product that was given by its name."""
    from pipelines.contract.load import folder_of, names
    from pipelines.errors import UsageError

    folder = folder_of(given)
    if not given.is_file() and (folder / "product.yaml").is_file():
        return folder
    if not given.exists():
        hint = f"one of: {', '.join(names())}, or a path"
        raise UsageError(f"there is no product, folder or file '{given}'", hint=hint)
    return given
