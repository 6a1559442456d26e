"""Server-sent events: a browser hears that something changed, and asks for its page again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from pipelines.api.reading import Reader
from pipelines.errors import PulseIQError

_EVERY_SECONDS = 2.0
_SILENCE_SECONDS = 15.0


def router(reader: Reader, stopping: Callable[[], bool]) -> APIRouter:
    """`GET /events`: `event: state` with the state and a stamp of all that is shown, whenever either has changed."""
    routes = APIRouter()

    @routes.get("/events", include_in_schema=False)
    async def events(request: Request) -> StreamingResponse:
        return StreamingResponse(
            _changes(reader, request, stopping), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )

    return routes


async def _changes(reader: Reader, request: Request, stopping: Callable[[], bool]) -> AsyncIterator[str]:
    last, quiet = "", 0.0
    yield "retry: 3000\n\n"
    while not stopping() and not await request.is_disconnected():
        now = await run_in_threadpool(_said, reader)
        if now != last:
            last, quiet = now, 0.0
            yield f"event: state\ndata: {now}\n\n"
        elif quiet >= _SILENCE_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_EVERY_SECONDS)
        quiet += _EVERY_SECONDS


def _said(reader: Reader) -> str:
    try:
        found = reader.now(datetime.now(UTC))
        return json.dumps({"state": found.state, "stamp": reader.stamp()})
    except PulseIQError as error:
        return json.dumps({"state": "unknown", "stamp": "", "error": str(error)})
