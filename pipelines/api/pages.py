"""The pages for people: what to show of each answer, and the forms. All of them work without a script."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool

from pipelines.api import words
from pipelines.api.answering import Answering
from pipelines.api.data import parted
from pipelines.api.model import Brief
from pipelines.api.security import COOKIE, Access
from pipelines.errors import PulseIQError, UsageError
from pipelines.incidents.responses import ACTIONS

_FOLDER = Path(__file__).parent / "templates"
_LONGEST_FORM = 16_384
_RECENT = timedelta(days=7)
_MOST_LISTED = 300


def templates() -> Jinja2Templates:
    """The pages' templates; everything that is put into them is escaped."""
    pages = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words.register(pages)
    return Jinja2Templates(env=pages)


class Pages:
    """Renders the pages of one product."""

    def __init__(self, answering: Answering, access: Access, reports: Path | None) -> None:
        """`reports` is the folder of Data Docs, None where none was built."""
        self._answering, self._reader, self._access = answering, answering.reader, access
        self._reports, self._templates = reports, templates()

    def show(self, request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
        """One page."""
        contract = self._reader.contract
        common = {
            "product": contract.product,
            "title": contract.title,
            "form_token": self._access.form_token,
            "signed_in": self._access.token is not None,
            "here": request.url.path,
        }
        return self._templates.TemplateResponse(request, f"{name}.html", {**common, **values}, status_code=status)

    def problem(self, request: Request, error: PulseIQError, status: int) -> HTMLResponse:
        """The page of a failure that a person can act on."""
        return self.show(request, "problem", status, what=error.what, hint=error.hint, code=status)

    def now(self, request: Request) -> HTMLResponse:
        """The first screen: the verdict, open incidents, every metric."""
        reader = self._reader
        answer = reader.now_answer(datetime.now(UTC))
        every = reader.briefs()
        metrics = reader.metrics_now()
        charts = reader.kept_with_metrics(
            "charts", lambda: {each.name: words.chart(each.curve, _on(each.name, every)) for each in metrics}
        )
        levels = {each.name: _level(each.name, answer.counted) for each in metrics}
        border = datetime.now(UTC) - _RECENT
        return self.show(
            request,
            "now",
            answer=answer,
            lead=answer.counted[0] if answer.counted else None,
            metrics=metrics,
            charts=charts,
            levels=levels,
            recent=[each for each in every if not each.open and each.until >= border][:8],
            pipeline=reader.pipeline(datetime.now(UTC)),
        )

    def incidents(self, request: Request, which: str) -> HTMLResponse:
        """The list of incidents."""
        found = self._reader.briefs(retracted=which == "all")
        shown = [each for each in found if which != "open" or each.open]
        return self.show(request, "incidents", found=shown[:_MOST_LISTED], more=len(shown) > _MOST_LISTED, which=which)

    def incident(self, request: Request, name: str, within: Mapping[str, str], said: str = "") -> HTMLResponse:
        """One incident with every number behind it."""
        reader = self._reader
        found = reader.incident(name)
        full = reader.full(found)
        curves = reader.incident_curves(found)
        tree = reader.segments(found, dict(within))
        trail, links = [("everywhere", "")], {}
        for i in range(len(within)):
            part = dict(list(within.items())[: i + 1])
            trail.append((f"{list(part)[-1]} = {part[list(part)[-1]]}", _query(part)))
        for parts in (tree.parts if tree is not None else {}).values():
            for each in parts:
                links[each.dimension, each.value] = _query({**within, each.dimension: each.value})
        return self.show(
            request,
            "incident",
            found=full,
            curves=curves,
            charts=[words.chart(each, [full]) for each in curves],
            tree=tree,
            trail=trail,
            links=links,
            kind=next((each.kind for each in reader.contract.metrics if each.name == found.metric), ""),
            actor=getpass.getuser() if self._access.token is None else "",
            said=said,
        )

    def series(self, request: Request, name: str, days: int) -> HTMLResponse:
        """One series, large, with its numbers."""
        tick = self._reader.tick()
        until = tick.data_until if tick is not None and tick.data_until is not None else datetime.now(UTC)
        curve = self._reader.curve(name, until - timedelta(days=days), until)
        own = _on(curve.metric, self._reader.briefs())
        return self.show(
            request, "series", curve=curve, drawn=words.chart(curve, own), own=own[:20], days=days,
            newest=list(reversed(curve.points))[:48],
        )  # fmt: skip

    def quality(self, request: Request) -> HTMLResponse:
        """What the gate decided."""
        docs = self._reports is not None and (self._reports / "index.html").exists()
        return self.show(request, "quality", found=self._reader.quality(), docs=docs)

    def pipeline(self, request: Request, proven: bool) -> HTMLResponse:
        """How the pipeline does; with the ledger when it is asked for."""
        found = self._reader.pipeline(datetime.now(UTC))
        ledger, why = None, None
        if proven:
            try:
                ledger = self._answering.ledger()
            except PulseIQError as error:
                why = str(error)
        top = max((each.events for each in found.course), default=0)
        return self.show(
            request, "pipeline", found=found, ledger=ledger, ledger_why=why, proven=proven, top=max(top, 1)
        )

    def api(self, request: Request) -> HTMLResponse:
        """The API's routes, plainly."""
        schema = request.app.openapi()
        routes = [
            (method.upper(), path, what)
            for path, methods in schema["paths"].items()
            for method, what in methods.items()
            if path.startswith("/api/")
        ]
        return self.show(request, "api", routes=routes)


def router(pages: Pages, answering: Answering, access: Access) -> APIRouter:
    """The routes of the pages."""
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("/")
    def now(request: Request) -> Response:
        return pages.now(request)

    @routes.get("/incidents")
    def incidents(request: Request, which: Literal["open", "recent", "all"] = "recent") -> Response:
        return pages.incidents(request, which)

    @routes.get("/incidents/{name}")
    def incident(request: Request, name: str, within: Annotated[list[str], Query()] = []) -> Response:  # noqa: B006
        return pages.incident(request, name, parted(within))

    @routes.post("/incidents/{name}/responses")
    async def respond(request: Request, name: str) -> Response:
        form = await _form(request)
        return await run_in_threadpool(_respond, form, name, answering, access)

    @routes.get("/series/{name}")
    def series(request: Request, name: str, days: Annotated[int, Query(ge=1, le=60)] = 1) -> Response:
        return pages.series(request, name, days)

    @routes.get("/quality")
    def quality(request: Request) -> Response:
        return pages.quality(request)

    @routes.get("/pipeline")
    def pipeline(request: Request, ledger: bool = False) -> Response:
        return pages.pipeline(request, ledger)

    @routes.get("/api")
    def api(request: Request) -> Response:
        return pages.api(request)

    @routes.get("/sign-in")
    def sign_in(request: Request) -> Response:
        return pages.show(request, "sign_in", wrong=False)

    @routes.post("/sign-in")
    async def signed_in(request: Request) -> Response:
        form = await _form(request)
        if not access.is_token(form.get("token", "").strip()):
            return pages.show(request, "sign_in", 401, wrong=True)
        answer = RedirectResponse("/", status_code=303)
        answer.set_cookie(
            COOKIE, access.session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return answer

    return routes


def _respond(form: Mapping[str, str], name: str, answering: Answering, access: Access) -> Response:
    if not access.is_form(form.get("form_token", "")):
        raise UsageError("the form is too old: PulseIQ was started anew since", hint="load the page again and send it")
    action = form.get("action", "")
    if action not in ACTIONS:
        raise UsageError(
            f"'{action[:40]}' is nothing that can be said of an incident", hint=f"one of: {', '.join(ACTIONS)}"
        )
    hours = form.get("hours", "")
    found = answering.reader.incident(name)
    scope: Literal["metric", "segment"] = "segment" if form.get("scope") == "segment" else "metric"
    try:
        length = float(hours) if hours else None
    except ValueError:
        raise UsageError(f"'{hours[:20]}' is no number of hours", hint="choose one of the list") from None
    if length is not None and not 0 < length <= 24 * 90:
        raise UsageError(f"{hours} hours is no time that a mute can last", hint="choose one of the list")
    answering.say(found, action, form.get("actor", "")[:80], form.get("note", "")[:1000], scope, length)
    return RedirectResponse(f"/incidents/{found.incident_id}#said", status_code=303)


async def _form(request: Request) -> dict[str, str]:
    """Fields of a posted form; UsageError when it is larger than any of ours."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            raise UsageError("the form is too large", hint="shorten the note")
    given = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[-1] for name, values in given.items()}


def _on(metric: str, found: list[Brief]) -> list[Brief]:
    return [each for each in found if each.metric == metric]


def _level(metric: str, counted: tuple[Brief, ...]) -> str:
    """The most severe level among the incidents on a metric, empty where there is none."""
    return min((each.level for each in counted if each.metric == metric), default="")


def _query(within: Mapping[str, str]) -> str:
    return urlencode([("within", f"{name}={value}") for name, value in within.items()])
