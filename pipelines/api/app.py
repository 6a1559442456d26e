"""The web app, put together: guard, pages, JSON, live events, metrics, health. Knows no product and no environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException

from pipelines.api import data, live, pages
from pipelines.api.answering import Answering
from pipelines.api.metrics import Exporter
from pipelines.api.pages import Pages
from pipelines.api.refusal import of_form, status_of
from pipelines.api.security import Access, Guard
from pipelines.errors import PulseIQError, UsageError

_STATIC = Path(__file__).parent / "static"


def create(answering: Answering, access: Access, reports: Path | None = None) -> FastAPI:
    """The app of one product.

    Args:
        answering: reads the product's lake.
        access: who may ask.
        reports: folder of built Data Docs, shown under /reports/.
    """
    over = False

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal over
        yield
        over = True

    app = FastAPI(
        title="PulseIQ",
        version="1",
        description=f"What PulseIQ knows of {answering.reader.product}: its state, incidents, curves, data, pipeline.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
    )
    shown = Pages(answering, access, reports)
    app.add_middleware(Guard, access=access)
    app.include_router(data.router(answering))
    app.include_router(live.router(answering.reader, lambda: over))
    app.include_router(pages.router(shown, answering, access))
    app.mount("/static", StaticFiles(directory=_STATIC), name="static")
    if reports is not None and reports.is_dir():
        app.mount("/reports", StaticFiles(directory=reports, html=True), name="reports")
    _watched(app, answering)
    _refusing(app, shown)
    return app


def _watched(app: FastAPI, answering: Answering) -> None:
    """Health, readiness and metrics."""
    registry = CollectorRegistry()
    registry.register(Exporter(answering.reader))

    @app.get("/healthz", include_in_schema=False)
    def healthz() -> Response:
        return PlainTextResponse("alive\n")

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        try:
            answering.reader.now(datetime.now(UTC))
        except PulseIQError as error:
            return PlainTextResponse(f"not ready: {error}\n", status_code=503)
        return PlainTextResponse("ready\n")

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _refusing(app: FastAPI, shown: Pages) -> None:
    """Failures as JSON under /api/, as a page elsewhere."""

    def refuse(request: Request, error: PulseIQError, status: int) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"error": error.what, "next": error.hint}, status_code=status)
        return shown.problem(request, error, status)

    @app.exception_handler(PulseIQError)
    def known(request: Request, error: PulseIQError) -> Response:
        return refuse(request, error, status_of(error))

    @app.exception_handler(RequestValidationError)
    def form(request: Request, error: RequestValidationError) -> Response:
        return refuse(request, of_form(error.errors()), 422)

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> Response:
        what = "there is no such page" if error.status_code == 404 else str(error.detail)
        answer = refuse(request, UsageError(what, hint="start again from the first page"), error.status_code)
        answer.headers.update(error.headers or {})
        return answer
