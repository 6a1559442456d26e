"""Airflow on this machine, asked by its REST API."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

# Task -> its state.
States = Mapping[str, str | None]

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Api:
    """Runs DAGs and says what became of them."""

    def __init__(self, address: str, patience_seconds: float = 600.0) -> None:
        self._address = address
        self._patience = patience_seconds
        self._token = ""
        self._token = self("GET", "/auth/token")["access_token"]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to one request; an error says what the server said."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        try:
            with _direct.open(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a DAG; returns the run's id."""
        self("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        made = self("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf or {}})
        return str(made["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Runs of a DAG."""
        found: list[dict[str, Any]] = self("GET", f"/api/v2/dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return found

    def state(self, dag: str, run: str) -> str:
        """State of a run."""
        return str(self("GET", f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}")["state"])

    def tasks(self, dag: str, run: str) -> States:
        """States of a run's tasks."""
        found = self("GET", f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def log(self, dag: str, run: str, task: str, attempt: int = 1) -> str:
        """What a task said."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}/logs/{attempt}"
        return json.dumps(self("GET", f"{path}?full_content=true"))

    def fail(self, dag: str, run: str, task: str) -> None:
        """Mark a task as failed, as a person does who wants it to end."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task}"
        self("PATCH", path, {"new_state": "failed"})

    def wait(self, dag: str, run: str) -> States:
        """States of the tasks of a run that has ended."""
        self.until(lambda: self.state(dag, run) in ("success", "failed"), f"{dag} does not end")
        return self.tasks(dag, run)

    def until(self, true: Callable[[], bool], otherwise: str) -> None:
        """Return when something is true."""
        deadline = time.monotonic() + self._patience
        while not true():
            assert time.monotonic() < deadline, otherwise
            time.sleep(1)
