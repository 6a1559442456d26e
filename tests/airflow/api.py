"""One run through the real scheduler: `quality_audit` by hand, then `gold_publish` because of its asset.

`python -m tests.dags.end_to_end [DAG ...]`, in the pipelines' environment, while services and Airflow are up and the
product's tables hold events. It prints each task's state; exit code 1 when a run failed or the asset started nothing.
With DAG names it runs these instead.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote

from pipelines.platform import airflow, settings

PATIENCE_SECONDS = 1800
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Api:
    """Airflow's REST API on this machine."""

    def __init__(self) -> None:
        self._address = airflow.address(settings.local_endpoints())
        self._token = ""
        self._token = self("GET", "/auth/token")["access_token"]

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to one request; an error says what the server said."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self._address + path, data, headers, method=method)
        try:
            with _direct.open(request, timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()[:500]}") from error

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a DAG; returns the run's id."""
        self("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        made = self("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": conf or {}})
        return str(made["dag_run_id"])

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """Runs of a DAG."""
        found: list[dict[str, Any]] = self("GET", f"/api/v2/dags/{dag}/dagRuns?limit=100")["dag_runs"]
        return found

    def wait(self, dag: str, run: str) -> str:
        """The state in which a run ended, its tasks printed."""
        run = quote(run, safe="")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            found = self("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")
            if found["state"] in ("success", "failed"):
                tasks = self("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
                for task in tasks:
                    print(f"{dag}.{task['task_id']}: {task['state']} after {task['duration'] or 0:.0f} s", flush=True)
                return str(found["state"])
            time.sleep(3)
        raise SystemExit(f"{dag} did not end in {PATIENCE_SECONDS} s")


def chain(api: Api) -> bool:
    """Audit, then what its asset starts."""
    before = {run["dag_run_id"] for run in api.runs("gold_publish")}
    if api.wait("quality_audit", api.trigger("quality_audit")) != "success":
        return False
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        new = [run for run in api.runs("gold_publish") if run["dag_run_id"] not in before]
        if new:
            print(f"gold_publish was started by {new[0]['run_type']}: {new[0]['dag_run_id']}", flush=True)
            ended = api.wait("gold_publish", new[0]["dag_run_id"])
            return new[0]["run_type"] == "asset_triggered" and ended == "success"
        time.sleep(2)
    print("the asset started nothing")
    return False


def main() -> int:
    """Run what was asked for; returns the exit code."""
    api = Api()
    if names := sys.argv[1:]:
        ended = {name: api.wait(name, api.trigger(name)) for name in names}
        return int(set(ended.values()) != {"success"})
    return int(not chain(api))


if __name__ == "__main__":
    sys.exit(main())
