"""`pulseiq` commands as job runs, as demo and rehearsal submit them: watched, cancelled, failed with a reason."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pipelines.errors import ServiceError
from pipelines.platform import job_runs, package
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
    job = job_runs.submit(services, release, "live", ["run", "live", product.contract.folder])
    try:
        assert job.identifier in {each.identifier for each in job_runs.under_way(services, "live")}
        deadline = time.monotonic() + 180
        while not Lake(services).exists(name, "batches") or product.ledger().waiting:
            assert job_runs.check(services, job)
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        job_runs.cancel(services, job)
    assert product.ledger().findings == ()
    assert job.identifier not in {each.identifier for each in job_runs.under_way(services, "live")}
    with pytest.raises(ServiceError, match="job pulseiq-live is CANCELLED"):
        job_runs.check(services, job)
    ended = job_runs.run(services, release, "live", ["run", "live", product.contract.folder, "--once"], 180)
    assert ended.state == "SUCCESS"
    product.assert_whole()  # Bronze turns seldom: it may have had the rest to read.
