"""`pulseiq dashboard`: the web app of a product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.platform.settings import Settings


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command()(dashboard)


def dashboard(
    product: Annotated[
        str | None, typer.Argument(help="name of a folder under contracts/, or a path; the only one in the lake")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="where it listens")] = 8040,
    host: Annotated[str, typer.Option(help="an address beyond this machine needs a token")] = "127.0.0.1",
) -> None:
    """The state, incidents, curves, data quality and pipeline as web pages, JSON and Prometheus metrics.

    On 127.0.0.1 nobody signs in. On any other address every request needs a token: that of PULSEIQ_DASHBOARD_TOKEN,
    or one that is made up and printed.

    Example: pulseiq dashboard shop --port 8040
    """
    from pipelines import contract as contracts
    from pipelines.api import serve
    from pipelines.platform import settings

    known = settings.load()
    contract = contracts.load(product or _only(known))
    serve.run(known, contract, host, port, settings.dashboard_token(), typer.echo)


def _only(known: Settings) -> str:
    """The one product that has anything in the lake."""
    from pipelines.contract.load import names
    from pipelines.platform.lake import Lake

    lake = Lake(known)
    found = [name for name in names() if lake.exists(name, "batches")]
    if len(found) != 1:
        what = f"{len(found)} products are in the lake" if found else "no product is in the lake yet"
        raise UsageError(what, hint=f"pulseiq dashboard {'|'.join(found or names())}")
    return found[0]
