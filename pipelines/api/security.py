"""Who may ask, and what a browser may do with an answer: hosts, the token, forms, headers.

On loopback nobody signs in, but only requests that name this machine are answered, so that no web page can reach the
app by a name of its own (DNS rebinding). Elsewhere every request needs the token.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fastapi import Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "pulseiq_session"
_OPEN_PATHS = ("/healthz", "/readyz", "/sign-in")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Data Docs bring scripts of their own; sandboxed, they are another origin and cannot ask this app anything.
_REPORTS_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Without any referrer a browser names no origin in our own forms' posts either.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Access:
    """Who may ask: `token` is None on loopback. `secret` signs forms, and is new in every process."""

    token: str | None = None
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))

    @property
    def form_token(self) -> str:
        """What a form of ours carries and a foreign page cannot know."""
        return hmac.new(self.secret, b"form", hashlib.sha256).hexdigest()

    @property
    def session(self) -> str:
        """Content of the cookie of a browser that signed in."""
        return hmac.new((self.token or "").encode(), b"pulseiq session", hashlib.sha256).hexdigest()

    def is_token(self, given: str) -> bool:
        """Whether it is the token."""
        return self.token is not None and hmac.compare_digest(given.encode(), self.token.encode())

    def is_form(self, given: str) -> bool:
        """Whether it is the form's token."""
        return hmac.compare_digest(given.encode(), self.form_token.encode())

    def admits(self, request: Request) -> bool:
        """Whether the request carries the token, or the cookie that stands for it."""
        if self.token is None:
            return True
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.is_token(value.strip()):
            return True
        return hmac.compare_digest(request.cookies.get(COOKIE, "").encode(), self.session.encode())


class Guard:
    """ASGI middleware: refuses foreign hosts, foreign posts and who has no token; adds the headers."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        headers = _headers(request.url.path)

        async def with_headers(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                raw = list(message.get("headers", ()))  # type: ignore[call-overload]
                known = {name.lower() for name, _ in raw}
                raw += [(name, value) for name, value in headers if name.lower() not in known]
                message = {**message, "headers": raw}
            await send(message)

        refusal = self._refusal(request)
        await (refusal or self._app)(scope, receive, with_headers)  # type: ignore[arg-type]

    def _refusal(self, request: Request) -> Response | None:
        if self._access.token is None and not _local(request.headers.get("host", "")):
            return _refused(request, 421, "this address is not this machine: ask for http://127.0.0.1")
        if request.method not in ("GET", "HEAD", "OPTIONS") and not _own(request):
            return _refused(request, 403, "another site sent this request: use the form on the page itself")
        path = request.url.path
        if self._access.admits(request) or path in _OPEN_PATHS or path.startswith("/static/"):
            return None
        if path.startswith("/api/") or path in ("/metrics", "/events") or request.method != "GET":
            return _refused(request, 401, "a token is needed: send it as 'Authorization: Bearer TOKEN'")
        return RedirectResponse("/sign-in", status_code=303)


def _headers(path: str) -> list[tuple[bytes, bytes]]:
    policy = _REPORTS_POLICY if path.startswith("/reports/") else _POLICY
    found = {**_HEADERS, "Content-Security-Policy": policy}
    if not path.startswith("/static/"):
        found["Cache-Control"] = "no-store"
    return [(name.encode(), value.encode()) for name, value in found.items()]


def _local(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host
    return name in _LOOPBACK


def _own(request: Request) -> bool:
    """Whether a post comes from our own page, or from no page at all; browsers say where from."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")


def _refused(request: Request, status: int, what: str) -> Response:
    if request.url.path.startswith("/api/"):
        return JSONResponse({"error": what, "next": None}, status_code=status)
    return PlainTextResponse(f"{what}\n", status_code=status)
