"""The answers as JSON, under /api/: for programs, and the contract that openapi.json states."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict
from pydantic import Field as Limited

from pipelines.api.answering import Answering
from pipelines.api.model import (
    Brief,
    Curve,
    Full,
    NowAnswer,
    PipelineAnswer,
    Problem,
    QualityAnswer,
    Said,
    Segments,
)
from pipelines.errors import UsageError
from pipelines.incidents.responses import Action

_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "of the right form, and yet it cannot be used"},
    401: {"model": Problem, "description": "a token is needed"},
    404: {"model": Problem, "description": "there is no such incident, series or segment"},
    422: {"model": Problem, "description": "not of the form that is stated here"},
    503: {"model": Problem, "description": "the lake or Kafka does not answer"},
}
_POSTED = {**_REFUSALS, 403: {"model": Problem, "description": "another site sent this"}}
IncidentId = Annotated[str, InPath(description="id of an incident, or its beginning", min_length=1, max_length=80)]
Place = Annotated[str, Limited(pattern="^[^=]+=", max_length=500, description="dimension=value")]
Moment = Annotated[datetime | None, Query(description="ISO 8601; UTC where it names no zone")]


class Word(BaseModel):
    """What a person says of an incident."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    actor: str = Limited(min_length=1, max_length=80, description="who says it")
    note: str = Limited(default="", max_length=1000)
    scope: Literal["metric", "segment"] = Limited(default="metric", description="of a mute: what falls silent")
    hours: float | None = Limited(
        default=None, gt=0, le=24 * 90, description="of a mute: for so long; for good when null"
    )


def router(answering: Answering) -> APIRouter:
    """The routes of one product."""
    reader = answering.reader
    routes = APIRouter(prefix="/api", responses=_REFUSALS)

    @routes.get("/now", summary="Is something abnormal right now?")
    def now() -> NowAnswer:
        return reader.now_answer(datetime.now(UTC))

    @routes.get("/incidents", summary="Incidents, newest first")
    def incidents(
        only_open: Annotated[bool, Query(alias="open")] = False,
        retracted: bool = False,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> list[Brief]:
        found = reader.briefs(retracted=retracted)
        return [each for each in found if each.open or not only_open][:limit]

    @routes.get("/incidents/{incident_id}", summary="One incident with every number behind it")
    def incident(incident_id: IncidentId) -> Full:
        return reader.full(reader.incident(incident_id))

    @routes.get("/incidents/{incident_id}/curves", summary="The curves of its segment and of its whole metric")
    def incident_curves(incident_id: IncidentId) -> list[Curve]:
        return reader.incident_curves(reader.incident(incident_id))

    @routes.get("/incidents/{incident_id}/segments", summary="A level of the tree of dimensions under it")
    def segments(
        incident_id: IncidentId,
        within: Annotated[list[Place], Query(description="as often as one has gone down")] = [],  # noqa: B006
    ) -> Segments | None:
        return reader.segments(reader.incident(incident_id), parted(within))

    @routes.post(
        "/incidents/{incident_id}/responses", summary="Acknowledge, mute, call a false alarm", responses=_POSTED
    )
    def respond(incident_id: IncidentId, word: Word) -> Said:
        return answering.say(reader.incident(incident_id), word.action, word.actor, word.note, word.scope, word.hours)

    @routes.get("/series", summary="Names of the metrics that have a curve")
    def series() -> list[str]:
        return [each.name for each in reader.contract.metrics]

    @routes.get("/series/{name}", summary="A curve: of a metric, or of 'metric{dimension=value,...}'")
    def one_series(
        name: Annotated[str, InPath(min_length=1, max_length=500)], since: Moment = None, until: Moment = None
    ) -> Curve:
        last = _aware(until) or _known_until(answering)
        return reader.curve(name, _aware(since) or last - timedelta(days=1), last)

    @routes.get("/quality", summary="What the gate and the row rules decided")
    def quality() -> QualityAnswer:
        return reader.quality()

    @routes.get("/pipeline", summary="Lag, throughput, batch times, classes")
    def pipeline() -> PipelineAnswer:
        return reader.pipeline(datetime.now(UTC))

    @routes.get("/ledger", summary="Is every event accounted for, once? Reads every table's offsets: seconds")
    def ledger() -> dict[str, Any]:
        return answering.ledger().to_dict()

    @routes.get("/openapi.json", include_in_schema=False)
    def openapi(request: Request) -> dict[str, Any]:
        found: dict[str, Any] = request.app.openapi()
        return found

    return routes


def parted(within: list[str]) -> dict[str, str]:
    """Dimension values from `dimension=value` texts.

    Raises:
        UsageError: one is not of that form.
    """
    out = {}
    for each in within:
        name, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"'{each[:80]}' is not of the form dimension=value", hint="e.g. within=device=web")
        out[name] = value
    return out


def _known_until(answering: Answering) -> datetime:
    tick = answering.reader.tick()
    return tick.data_until if tick is not None and tick.data_until is not None else datetime.now(UTC)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise UsageError(
            f"{moment.isoformat()} is not a time that can be shown", hint="give a year such as 2026"
        ) from error
