"""Runs through the real scheduler: a hand-over by asset, and what breaks in the middle of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from pipelines.platform import aws, services
from pipelines.replay.rebuild import rebuild_all
from tests.airflow.api import Api
from tests.products import Product


def jobs(shop: Product, state: str) -> set[str]:
    """Identifiers of the job runs in a state."""
    found = aws.client(shop.settings, "emr-serverless").list_job_runs(
        applicationId=str(shop.settings.emr_application_id), states=[state]
    )
    return {run["id"] for run in found["jobRuns"]}


@pytest.fixture
def started(api: Api, shop: Product) -> Iterator[tuple[str, str]]:
    """A run of `replay`, which no schedule starts, that only compares; and its job, which runs. Ended with the test."""
    before = jobs(shop, "RUNNING")
    run = api.trigger("replay", {"check": True})
    api.until(lambda: bool(jobs(shop, "RUNNING") - before), "no job runs")
    yield run, (jobs(shop, "RUNNING") - before).pop()
    if api.state("replay", run) not in ("success", "failed"):
        api.fail("replay", run, "rebuild")
        api.wait("replay", run)


def test_an_audit_starts_the_publication_by_its_asset(api: Api) -> None:
    before = {run["dag_run_id"] for run in api.runs("gold_publish")}
    assert set(api.wait("quality_audit", api.trigger("quality_audit")).values()) == {"success"}

    def started() -> list[str]:
        runs = [run for run in api.runs("gold_publish") if run["dag_run_id"] not in before]
        return [str(run["dag_run_id"]) for run in runs if run["run_type"] == "asset_triggered"]

    api.until(lambda: bool(started()), "the asset started nothing")
    tasks = api.wait("gold_publish", started()[0])
    assert tasks["publish"] == "success"
    assert tasks["publish_answer"] in ("success", "skipped")  # as the gate answers


def test_a_job_that_fails_fails_its_task_which_names_the_cause(api: Api) -> None:
    run = api.trigger("replay", {"product": "nobody"})
    api.until(lambda: api.tasks("replay", run)["rebuild"] == "up_for_retry", "the task does not fail")
    assert "there is no contract 'nobody'" in api.log("replay", run, "rebuild")
    api.fail("replay", run, "rebuild")
    assert api.wait("replay", run) == {"rebuild": "failed", "rebuild_answer": "upstream_failed"}


def test_a_task_that_a_person_ends_takes_its_job_along(api: Api, shop: Product, started: tuple[str, str]) -> None:
    run, job = started
    api.fail("replay", run, "rebuild")
    api.until(lambda: job in jobs(shop, "CANCELLED"), "the job goes on")
    assert api.wait("replay", run) == {"rebuild": "failed", "rebuild_answer": "upstream_failed"}


def test_a_task_whose_process_is_killed_is_tried_again(api: Api, started: tuple[str, str]) -> None:
    run, _ = started
    # The task that was ended before may still be at its end.
    api.until(lambda: len(running_tasks()) == 1, "not one task runs")
    os.kill(running_tasks()[0].pid, signal.SIGKILL)
    api.until(lambda: api.tasks("replay", run)["rebuild"] == "up_for_retry", "nobody noticed")
    assert "SIGKILL" in api.log("replay", run, "rebuild")
    assert set(api.wait("replay", run).values()) == {"success"}


def test_an_emulator_that_restarts_fails_the_task_and_the_next_try_succeeds(api: Api, started: tuple[str, str]) -> None:
    run, _ = started
    (pid,) = (state.pid for state in services.status().services if state.name == "localstack")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    services.up(lambda line: None, rebuild=rebuild_all)
    assert set(api.wait("replay", run).values()) == {"success"}
    assert any(word in api.log("replay", run, "rebuild") for word in ("Could not connect", "does not exist", "closed"))


def running_tasks() -> list[psutil.Process]:
    """Processes of tasks; a worker of the executor names itself so, too, and the task is its child."""
    found = []
    for each in airflow_processes():
        with suppress(psutil.NoSuchProcess):  # it ended as it was looked at
            words = " ".join(each.cmdline())
            if words.startswith("airflow worker -- ") and "LocalExecutor" not in words:
                found.append(each)
    return found


def airflow_processes() -> list[psutil.Process]:
    """All processes of this session's Airflow."""
    (pid,) = (state.pid for state in services.status().services if state.name == "airflow")
    return psutil.Process(pid).children(recursive=True)
