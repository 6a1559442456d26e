"""What every DAG must have, and what all of them are: read as Airflow reads them, without a service."""

from __future__ import annotations

import ast
import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

INVENTORY = Path(__file__).with_name("inventory.json")
POOLS = json.loads((Path(__file__).resolve().parents[2] / "dags" / "pools.json").read_text())
NAMES = ("baseline", "cost_report", "gold_publish", "maintenance", "quality_audit", "reconcile", "replay")


@pytest.fixture(params=NAMES)
def dag(request: pytest.FixtureRequest, bag: Any) -> Any:
    return bag.dags[request.param]


def test_airflows_environment_has_no_spark() -> None:
    assert importlib.util.find_spec("pyspark") is None


def test_every_file_is_one_dag_of_its_name(bag: Any, files: list[Path]) -> None:
    assert bag.import_errors == {}
    assert sorted(bag.dags) == sorted(NAMES) == [path.stem for path in files]


def test_dags_import_airflows_sdk_its_providers_and_what_they_share(files: list[Path]) -> None:
    known = ("airflow.sdk", "airflow.providers.", "pulseiq_airflow")
    for path in [*files, *files[0].parent.glob("pulseiq_airflow/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                first = node.module.split(".")[0]
                assert first not in ("airflow", "pulseiq_airflow") or node.module.startswith(known), path
                assert first in {"airflow", "pulseiq_airflow", "__future__", "collections", "datetime", "typing"}, path


def test_it_says_what_it_is_for_who_owns_it_and_how_much_it_matters(dag: Any) -> None:
    for part in ("**Output**:", "**Impact of failure**:", "**Run it again**:"):
        assert part in dag.doc_md
    assert len([tag for tag in dag.tags if tag.startswith("tier-")]) == 1
    assert {task.owner for task in dag.tasks} == {"data-platform"}


def test_it_does_not_catch_up_and_runs_once_at_a_time(dag: Any) -> None:
    assert dag.catchup is False
    assert dag.max_active_runs == 1


def test_its_jobs_retry_with_back_off_end_in_time_and_wait_for_their_table(dag: Any) -> None:
    jobs = [task for task in dag.tasks if task.task_type == "EmrServerlessStartJobOperator"]
    assert jobs
    for task in jobs:
        assert task.retries == 2
        assert task.retry_exponential_backoff
        assert task.pool in POOLS
        assert POOLS[task.pool]["slots"] == 1
        waited = task.waiter_delay * task.waiter_max_attempts
        assert 0 < waited < task.execution_timeout.total_seconds()
        assert task.deferrable is False


def test_somebody_is_told_of_every_failure(dag: Any) -> None:
    for task in dag.tasks:
        assert [each.__name__ for each in task.on_failure_callback] == ["tell"]
        assert task.execution_timeout is not None


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("replay", {"layer": "bronze"}),
        ("replay", {"from": "yesterday"}),
        ("replay", {"check": "perhaps"}),
        ("maintenance", {"retention": "a week"}),
        ("cost_report", {"budget": -1}),
        ("baseline", {"product": "Shop; rm -rf"}),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused(bag: Any, name: str, given: dict[str, Any]) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    params = copy.deepcopy(bag.dags[name].params)
    params.validate()
    with pytest.raises(ParamValidationError, match=f"Invalid input for param {next(iter(given))}"):
        params.update(given)


def test_gold_is_published_when_silver_was_audited(bag: Any) -> None:
    outlets = [asset.name for task in bag.dags["quality_audit"].tasks for asset in task.outlets]
    assert outlets == ["silver_audited"]
    assert "silver_audited" in str(bag.dags["gold_publish"].timetable.asset_condition)


@pytest.mark.parametrize(
    ("name", "task", "code", "raised"),
    [
        ("gold_publish", "publish_answer", 8, "AirflowSkipException"),
        ("quality_audit", "audit_answer", 8, "nothing"),
        ("reconcile", "ledger_answer", 7, "AirflowFailException"),
        ("cost_report", "cost_answer", 9, "AirflowFailException"),
        ("reconcile", "ledger_answer", 0, "nothing"),
        ("maintenance", "care_answer", 0, "nothing"),
    ],
)
def test_an_answer_ends_a_run_as_it_was_given(
    bag: Any, monkeypatch: pytest.MonkeyPatch, name: str, task: str, code: int, raised: str
) -> None:
    import pulseiq_airflow.jobs as jobs

    said = {"words": ["x"], "exit_code": code, "output": "why it is so", "seconds": 1.0}
    monkeypatch.setattr(jobs, "read_result", lambda key: said)
    monkeypatch.setattr(jobs, "mark", lambda outlets, words: None)
    call = bag.dags[name].get_task(task).python_callable
    if raised == "nothing":
        assert call("key")["exit_code"] == code
    else:
        with pytest.raises(Exception, match="why it is so") as found:
            call("key")
        assert type(found.value).__name__ == raised


def test_the_inventory_is_what_the_dags_are(bag: Any) -> None:
    """After a wanted change remove the file, run this again, and read the difference."""
    found = {name: inventory(bag.dags[name]) for name in NAMES}
    if not INVENTORY.exists():
        INVENTORY.write_text(json.dumps(found, indent=2) + "\n")
    assert json.loads(INVENTORY.read_text()) == found


def inventory(dag: Any) -> dict[str, Any]:
    """What a reviewer should see change."""
    summary = getattr(dag.timetable, "summary", None) or str(dag.schedule)
    return {
        "schedule": summary,
        "paused": dag.is_paused_upon_creation,
        "tags": sorted(dag.tags),
        "params": sorted(dag.params),
        "tasks": {
            task.task_id: {
                "type": task.task_type,
                "pool": task.pool,
                "retries": task.retries,
                "minutes": task.execution_timeout.total_seconds() / 60,
                "after": sorted(task.upstream_task_ids),
                "words": (getattr(task, "job_driver", None) or {})
                .get("sparkSubmit", {})
                .get("entryPointArguments", []),
            }
            for task in sorted(dag.tasks, key=lambda each: each.task_id)
        },
    }
