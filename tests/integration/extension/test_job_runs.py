"""`pulseiq` commands as job runs, as demo and rehearsal submit them: watched, cancelled, failed with a reason."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import build
from pipelines.errors import ServiceError, UsageError
from pipelines.platform import aws, job_runs, package
from pipelines.platform.job_runs import Submitted
from pipelines.platform.lake import Lake
from pipelines.platform.package import Release
from pipelines.platform.settings import Settings
from tests.products import Product


@pytest.fixture(scope="module")
def release(services: Settings) -> Release:
    return package.publish(services, echo=lambda line: None)


def test_a_job_that_fails_says_why(services: Settings, release: Release) -> None:
    with pytest.raises(ServiceError, match=r"job pulseiq-reconcile is FAILED .* there is no contract 'nobody'"):
        job_runs.run(services, release, "reconcile", ["ledger", "nobody"], 120, brief=True)


def test_streams_run_as_a_job_until_they_are_cancelled_and_give_back_their_leases(
    services: Settings, release: Release, new_product: Callable[[], Product]
) -> None:
    product = new_product()
    name = product.contract.product
    product.send(500)
    started = json.loads(pulseiq("start", "live", "run", "live", str(product.contract.folder), "--output", "json"))
    job = job_runs.shown(services, started["id"]).run
    try:
        assert job.identifier in {each["id"] for each in json.loads(pulseiq("list", "--output", "json"))}
        deadline = time.monotonic() + 180
        while not Lake(services).exists(name, "batches") or product.ledger().waiting:
            assert job_runs.check(services, job)
            assert time.monotonic() < deadline
            time.sleep(1)
        while not any(_is_tick(line, name) for line in _log_group(services, job)):
            assert time.monotonic() < deadline, "nobody hears the detect loop"
            time.sleep(1)
        told = json.loads(pulseiq("show", job.identifier, "--output", "json"))
        # A batch would be ended after twelve hours.
        assert (told["mode"], told["state"], told["attempt"]) == ("STREAMING", "RUNNING", 1)
        assert told["command"] == f"pulseiq run live {product.contract.folder}"
        assert told["logs"] == started["logs"] == job.logs
    finally:
        ended = pulseiq("cancel", job.identifier)
    assert ended.split() == [f"{job.identifier}:", "CANCELLED"]
    assert "CANCELLED" in pulseiq("cancel", job.identifier), "an ended one is left alone"
    assert product.ledger().findings == ()
    assert job.identifier not in {each.run.identifier for each in job_runs.listed(services)}
    assert job.identifier in {each.run.identifier for each in job_runs.listed(services, ended=True)}
    with pytest.raises(ServiceError, match="job pulseiq-live is CANCELLED"):
        job_runs.check(services, job)
    ended = job_runs.run(services, release, "live", ["run", "live", product.contract.folder, "--once"], 180)
    assert ended.state == "SUCCESS"
    product.assert_whole()  # Bronze turns seldom: it may have had the rest to read.
    with pytest.raises(UsageError, match=r"no job has the role 'lives'"):
        job_runs.submit(services, release, "lives", ["now", "shop"])


@pytest.mark.parametrize("nothing", ["00nosuchjob00000", "no such job"])
def test_a_job_that_is_not_there(services: Settings, nothing: str) -> None:
    with pytest.raises(UsageError, match=f"there is no job '{nothing}'"):
        job_runs.shown(services, nothing)


def pulseiq(*words: str) -> str:
    return CliRunner(env={"COLUMNS": "200"}).invoke(build(), ["jobs", *words], catch_exceptions=False).stdout


def _log_group(settings: Settings, job: Submitted) -> list[str]:
    """Lines that the driver printed, as CloudWatch has them."""
    stream = f"applications/{job.application}/jobs/{job.identifier}/SPARK_DRIVER/stdout"
    pages = aws.client(settings, "logs").get_paginator("filter_log_events")
    found = pages.paginate(logGroupName=settings.job_log_group, logStreamNames=[stream])
    return [event["message"] for page in found for event in page["events"]]


def _is_tick(line: str, product: str) -> bool:
    """What `detect-silent-<product>` counts; its pattern is in terraform/stacks/platform/alarms.tf."""
    if not line.startswith("{"):
        return False
    said = json.loads(line)
    return bool(said["event"] == "tick" and said["product"] == product and said["caught_up"])
