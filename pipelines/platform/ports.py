"""Ports of this machine's loopback: which are free, who has one that is not."""

from __future__ import annotations

import socket
import time
import urllib.request
from http.client import HTTPResponse
from typing import Any

import psutil

from pipelines.errors import ServiceError

LOOPBACK = "127.0.0.1"

# A proxy of the environment knows nothing of this machine's loopback.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def opened(url: str, seconds: float) -> HTTPResponse:
    """The answer of a server of this machine, to be closed; OSError where there is none within so many seconds."""
    answer: HTTPResponse = _direct.open(url, timeout=seconds)
    return answer


def refuse_taken(port: int, who: str, variable: str) -> None:
    """Raise ServiceError when `who` cannot have its port; names the owner and the variable that changes the port."""
    refused = refusal((LOOPBACK, port))
    if refused is None:
        return
    why = "is reserved by the system" if isinstance(refused, PermissionError) else f"is taken by {_owner(port)}"
    other = free_port(port + 10_000 if port < 50_000 else 10_000)
    problem = f"port {port}, which {who} needs, {why}"
    raise ServiceError(problem, hint=f"end it, or choose another port: export {variable}={other}")


def free_port(first: int) -> int:
    """The first port from `first` on that nobody listens on."""
    for port in range(first, min(first + 500, 65_536)):
        if refusal((LOOPBACK, port)) is None:
            return port
    raise ServiceError(f"no free port from {first} on", hint="pulseiq status")


def listening(port: int) -> bool:
    """Whether anything takes connections on this loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until_free(port: int) -> None:
    """Wait, at most 5 s: a killed program's sockets are closed a moment after it is gone."""
    deadline = time.monotonic() + 5
    while refusal((LOOPBACK, port)) is not None and time.monotonic() < deadline:
        time.sleep(0.05)


def refusal(address: tuple[Any, ...], family: int = socket.AF_INET) -> OSError | None:
    """Why an address, host and port first, cannot be bound; None when it can."""
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
    except OSError as error:
        return error
    return None


def _owner(port: int) -> str:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        connections = []
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.pid and connection.laddr[1:2] == (port,):
            try:
                process = psutil.Process(connection.pid)
                words = " ".join(process.cmdline())[:60]
                return f"{process.name()} (pid {process.pid}: {words})"
            except psutil.Error:
                return f"pid {connection.pid}"
    return "another user's program"
