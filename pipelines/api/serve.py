"""Puts the web app on a port: the reader on the lake of the settings, Kafka's end offsets, the ledger's audit."""

from __future__ import annotations

import errno
import secrets
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from pipelines.alerts import watch
from pipelines.api import app, pipeline
from pipelines.api.answering import Answering
from pipelines.api.reading import Reader
from pipelines.api.security import Access
from pipelines.contract import Contract
from pipelines.errors import PulseIQError, ServiceError, UsageError
from pipelines.ledger.audit import audit
from pipelines.platform import kafka, ports
from pipelines.platform.lake import Lake
from pipelines.platform.logs import log_event
from pipelines.platform.open_lake import OpenLake
from pipelines.platform.settings import PROJECT_ROOT, Settings

LOOPBACK_HOSTS = (ports.LOOPBACK, "localhost", "::1")
# Where Data Docs are built.
REPORTS = PROJECT_ROOT / "reports" / "site"
_WARM_SECONDS = 1.5
_WATCH_SECONDS = 60.0
_SHORTEST_TOKEN = 16


def application(
    settings: Settings, contract: Contract, access: Access, reports: Path = REPORTS
) -> tuple[FastAPI, Reader]:
    """The app of one product, and the reader behind it."""

    def waiting(reached: dict[tuple[str, int], int]) -> int:
        present = kafka.topics(settings)
        topics = [each for each in (contract.topic, contract.redrive_topic) if each in present]
        return pipeline.waiting_of(
            reached, pipeline.flat([(each, kafka.end_offsets(settings, each)) for each in topics])
        )

    reader = Reader(OpenLake(settings), contract, waiting)
    return app.create(Answering(reader, lambda: audit(settings, contract)), access, reports), reader


def run(
    settings: Settings, contract: Contract, host: str, port: int, token: str | None, echo: Callable[[str], object]
) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: the token is too short to be one, or the host is no address of this machine.
        ServiceError: the port is taken.
    """
    _refuse_address(host, port)
    local = host in LOOPBACK_HOSTS
    if not local and token is None:
        token = secrets.token_urlsafe(24)
        echo(f"token: {token}")
    if token is not None and len(token) < _SHORTEST_TOKEN:
        raise UsageError(f"a token of {len(token)} characters is guessed soon", hint=f"give {_SHORTEST_TOKEN} or more")
    made, reader = application(settings, contract, Access(token=token))
    done = threading.Event()
    beside = [
        threading.Thread(target=_keep_warm, args=(reader, done), daemon=True, name="warm"),
        threading.Thread(target=_watch, args=(settings, contract, done), daemon=True, name="watch"),
    ]
    server = uvicorn.Server(
        uvicorn.Config(
            made, host=host, port=port, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=2,
        )
    )  # fmt: skip
    shown = f"[{host}]" if ":" in host else host
    echo(f"{contract.product}: http://{shown}:{port}/  (Ctrl+C ends it)")
    for each in beside:
        each.start()
    try:
        server.run()
    finally:
        done.set()
    if not server.started:
        raise ServiceError(f"{host}:{port} cannot be listened on", hint="choose another: --host, --port")


def _refuse_address(host: str, port: int) -> None:
    """Bind what the server will bind, and let it go; nobody is told of a token for a server that cannot start."""
    elsewhere = UsageError(
        f"host '{host}' is no address of this machine", hint=f"--host {ports.LOOPBACK}, or --host 0.0.0.0 for all"
    )
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise elsewhere from error
    refusals = [ports.refusal(address, family) for family, _, _, _, address in found]
    if any(each is not None and each.errno == errno.EADDRINUSE for each in refusals):
        raise ServiceError(f"port {port} is taken", hint=f"choose another: --port {ports.free_port(port + 1)}")
    if any(isinstance(each, PermissionError) for each in refusals):
        raise ServiceError(
            f"port {port} is reserved by the system", hint=f"choose another: --port {ports.free_port(8040)}"
        )
    if None not in refusals:
        raise elsewhere


def _keep_warm(reader: Reader, done: threading.Event) -> None:
    """Reads what the first screen shows as soon as it changes, so that nobody waits for it."""
    while not done.is_set():
        try:
            reader.now(datetime.now(UTC))
            reader.briefs()
            reader.metrics_now()
            reader.batches()
        except PulseIQError:
            pass  # Whoever asks is told.
        done.wait(_WARM_SECONDS)


def _watch(settings: Settings, contract: Contract, done: threading.Event) -> None:
    """Tells people when the detect loop falls silent, which it cannot do itself."""
    lake = Lake(settings)
    while not done.wait(_WATCH_SECONDS):
        try:
            watch.run(settings, lake, contract, datetime.now(UTC))
        except PulseIQError as error:
            log_event("nobody watches", product=contract.product, error=str(error))
