from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from pipelines.errors import StateError
from pipelines.platform.lease import Lease, _machine
from pipelines.platform.settings import Settings

KEY = "_leases/shop-refine.json"
# S3 tells times in whole seconds.
SHORT = timedelta(seconds=2)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Settings]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="lake")
        yield Settings("aws", tmp_path, "us-east-1", None, "", "lake", "", "", "")


def stored() -> dict[str, Any]:
    body = boto3.client("s3", region_name="us-east-1").get_object(Bucket="lake", Key=KEY)["Body"].read()
    return dict(json.loads(body))


def store(**changes: object) -> None:
    """A lease that somebody else wrote just now."""
    body = {
        "owner": "somebody",
        "host": "elsewhere",
        "pid": 4711,
        "machine": "another",
        "since": "2026-11-23T13:00:00+00:00",
        "seconds": 30.0,
        "released": False,
        "nonce": "1",
    }
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.put_object(Bucket="lake", Key=KEY, Body=json.dumps(body | changes).encode())


def wait_until(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def test_second_holder_is_told_who_holds_it_and_since_when(settings: Settings) -> None:
    with Lease(settings, "shop-refine"), pytest.raises(StateError) as refused, Lease(settings, "shop-refine"):
        pass
    assert re.search(rf"shop-refine is already run by \S+ pid {os.getpid()} since 20\d\d-", str(refused.value))


def test_another_query_has_a_lease_of_its_own(settings: Settings) -> None:
    with Lease(settings, "shop-refine"), Lease(settings, "shop-bronze"):
        pass


def test_released_lease_is_free_at_once(settings: Settings) -> None:
    with Lease(settings, "shop-refine"):
        assert stored()["released"] is False
    assert stored()["released"] is True
    with Lease(settings, "shop-refine"):
        pass


def test_lease_is_released_by_an_error_too(settings: Settings) -> None:
    with pytest.raises(ZeroDivisionError), Lease(settings, "shop-refine"):
        raise ZeroDivisionError
    assert stored()["released"] is True


def test_lease_from_elsewhere_is_taken_over_when_its_time_is_up(settings: Settings) -> None:
    store(seconds=4.0)
    with pytest.raises(StateError, match="elsewhere pid 4711"), Lease(settings, "shop-refine"):
        pass
    time.sleep(5.1)
    with Lease(settings, "shop-refine"):
        assert stored()["pid"] == os.getpid()


def test_lease_of_a_dead_process_of_this_machine_is_free_at_once(settings: Settings) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store(machine=_machine(), pid=dead.pid)
    with Lease(settings, "shop-refine"):
        assert stored()["pid"] == os.getpid()


def test_same_pid_on_another_machine_says_nothing(settings: Settings) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    store(pid=dead.pid)
    with pytest.raises(StateError, match="elsewhere"), Lease(settings, "shop-refine"):
        pass


def test_held_lease_is_renewed_and_so_outlives_its_duration(settings: Settings) -> None:
    with Lease(settings, "shop-refine", SHORT) as lease:
        time.sleep(SHORT.total_seconds() * 1.6)
        lease.check()
        with pytest.raises(StateError, match="already run"), Lease(settings, "shop-refine", SHORT):
            pass


def test_every_renewal_has_another_body_or_equal_etags_would_hide_it(settings: Settings) -> None:
    with Lease(settings, "shop-refine", SHORT):
        first = stored()["nonce"]
        wait_until(lambda: stored()["nonce"] != first)


def test_sleeper_learns_that_it_was_taken_over_and_leaves_the_other_alone(settings: Settings) -> None:
    with Lease(settings, "shop-refine", SHORT) as sleeper:
        store()

        def noticed() -> bool:
            try:
                sleeper.check()
            except StateError as error:
                return "run by elsewhere pid 4711" in str(error)
            return False

        wait_until(noticed)
    assert stored()["owner"] == "somebody"
    assert stored()["released"] is False


def test_renewal_whose_answer_was_lost_is_not_taken_for_another_holder(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lease(settings, "shop-refine", SHORT) as lease:
        put = lease._s3.put_object
        heard = threading.Event()

        def heard_but_unanswered(**arguments: Any) -> Any:
            put(**arguments)
            heard.set()
            return put(**arguments)  # What the client does when the first answer is lost.

        monkeypatch.setattr(lease._s3, "put_object", heard_but_unanswered)
        assert heard.wait(5)
        time.sleep(0.2)
        monkeypatch.setattr(lease._s3, "put_object", put)
        lease.check()
        before = stored()["nonce"]
        wait_until(lambda: stored()["nonce"] != before)
        lease.check()


def test_without_a_bucket_nobody_gets_it(settings: Settings) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.delete_bucket(Bucket="lake")
    with pytest.raises(Exception, match="NoSuchBucket") as failed, Lease(settings, "shop-refine"):
        pass
    assert not isinstance(failed.value, ClientError)
