"""Where the web app listens: an address that it cannot have is refused before anything is said."""

from __future__ import annotations

import socket

import pytest

from pipelines import contract as contracts
from pipelines.api import serve
from pipelines.errors import ServiceError, UsageError
from pipelines.platform import ports
from tests.simulated_lake import settings_of


@pytest.mark.parametrize("host", ["nosuch.invalid", "300.1.1.1", "192.0.2.1", "", "a" * 70 + ".invalid"])
def test_a_host_that_is_no_address_of_this_machine_is_refused(tmp_path, host):
    said: list[str] = []
    with pytest.raises(UsageError, match="is no address of this machine"):
        serve.run(settings_of(tmp_path), contracts.load("shop"), host, ports.free_port(18_040), None, said.append)
    assert said == []


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_a_taken_port_is_refused_and_no_token_is_shown(tmp_path, host):
    said: list[str] = []
    with socket.socket() as other:
        other.bind((ports.LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"^port {port} is taken \| next: choose another: --port \d+$"):
            serve.run(settings_of(tmp_path), contracts.load("shop"), host, port, None, said.append)
    assert said == []


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost"])
def test_an_address_of_this_machine_with_a_free_port_is_taken(tmp_path, host, monkeypatch):
    started: list[str] = []
    monkeypatch.setattr(serve.uvicorn.Server, "run", lambda server: started.append(server.config.host))
    said: list[str] = []
    with pytest.raises(ServiceError, match="cannot be listened on"):  # It is not there, since nothing was started.
        serve.run(
            settings_of(tmp_path), contracts.load("shop"), host, ports.free_port(18_040), "a long enough token",
            said.append,
        )  # fmt: skip
    assert started == [host]
    assert said[0].startswith(f"shop: http://{host}:")
