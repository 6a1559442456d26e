"""The life of a lake in a store of its own, told in order: each test goes on where the one before it stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Barrier
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from pipelines.errors import SetupError, UsageError
from pipelines.platform import aws, epoch, kafka, ports, process, services, toolchain
from pipelines.platform import settings as configuration
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.platform.terraform import Stack

WRITERS = 24
# The same races as on LocalStack, in a process of their own: a session of other settings would end that of other tests.
RACES = """
from pipelines.platform import settings, spark
from tests.integration.platform import test_log_store as races
found = settings.load()
session = spark.session(found, "races", brief=True)
try:
    races.test_one_writer_wins_a_version_and_the_others_are_told(found, session)
    races.test_spark_and_delta_rs_append_to_one_table_at_once(found, session)
finally:
    spark.stop(session)
"""


@dataclass(frozen=True)
class Product:
    topic: str = "kept.events"
    redrive_topic: str = "kept.redrive"
    decisions_topic: str = "kept.decisions"


@pytest.fixture(scope="module")
def home(
    tmp_path_factory: pytest.TempPathFactory, own_services: Callable[[Path], AbstractContextManager[Path]]
) -> Iterator[Path]:
    """Services of this module alone, beside a MinIO: they are killed here."""
    try:
        toolchain.minio()
    except SetupError as error:
        pytest.skip(str(error))
    with own_services(tmp_path_factory.mktemp("storage")) as folder, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PULSEIQ_STORAGE", "minio")
        yield folder


@pytest.fixture(scope="module")
def settings(home: Path) -> Settings:
    return services.up(quiet, rebuild=lambda found, _: pytest.fail("there is nothing in Kafka to rebuild from"))


def quiet(line: str) -> None:
    """Takes the place of print."""


def content(settings: Settings) -> dict[str, str]:
    """Every object of the lake with the hash of what is in it."""
    pages = aws.client(settings, "s3").get_paginator("list_objects_v2").paginate(Bucket=settings.lake_bucket)
    return {each["Key"]: each["ETag"] for page in pages for each in page.get("Contents", [])}


def kill(*names: str) -> None:
    for program in services.programs(configuration.local_endpoints()):
        if program.name in names:
            leader = process.find(program)
            assert leader is not None
            os.kill(leader.pid, signal.SIGKILL)
            leader.wait(20)


def second_plan() -> int:
    """Exit code of a plan: 0 nothing to do, 2 changes."""
    stack = Stack(configuration.local_endpoints())
    return stack.run("plan", "-detailed-exitcode", *stack.variables(), expected=(0, 2))


def test_the_buckets_are_in_the_store_and_nothing_else_is(settings: Settings) -> None:
    assert services.status().healthy
    assert settings.storage_endpoint == configuration.local_endpoints().storage_endpoint
    ours = {settings.lake_bucket, settings.artifacts_bucket, settings.reports_bucket}
    s3 = aws.client(settings, "s3")
    assert {each["Name"] for each in s3.list_buckets()["Buckets"]} == ours
    assert aws.client(replace(settings, storage_endpoint=None), "s3").list_buckets()["Buckets"] == []
    versioned = {bucket: s3.get_bucket_versioning(Bucket=bucket).get("Status") for bucket in ours}
    assert versioned == dict.fromkeys(ours, "Enabled") | {settings.lake_bucket: None}
    assert second_plan() == 0


def test_it_listens_on_this_machine_only(settings: Settings) -> None:
    (program,) = (each for each in services.programs(configuration.local_endpoints()) if each.name == "minio")
    listening = {
        connection.laddr.ip
        for member in process.members(program)
        for connection in member.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert "127.0.0.1" in listening
    assert listening <= {"127.0.0.1", "::1"}


def test_one_of_many_conditional_puts_wins(settings: Settings) -> None:
    clients = [aws.client(settings, "s3") for _ in range(WRITERS)]
    start = Barrier(WRITERS)

    def put(writer: int, key: str) -> str:
        start.wait()
        try:
            clients[writer].put_object(Bucket=settings.lake_bucket, Key=key, Body=b"%d" % writer, IfNoneMatch="*")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "won"

    with ThreadPoolExecutor(WRITERS) as pool:
        for turn in range(5):
            answers: Any = Counter(pool.map(put, range(WRITERS), [f"race/{turn}"] * WRITERS))
            assert answers == {"won": 1, "PreconditionFailed": WRITERS - 1}


def test_writers_of_spark_and_delta_rs_race_as_on_localstack(settings: Settings) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RACES],
        cwd=configuration.PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(configuration.PROJECT_ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_another_store_is_refused_while_this_one_serves(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSEIQ_STORAGE", "localstack")
    with pytest.raises(UsageError, match="PULSEIQ_STORAGE says LocalStack"):
        services.up(quiet)
    assert configuration.load() == settings  # a command goes where the manifest says


def test_the_lake_outlives_localstack_and_is_not_rebuilt(settings: Settings) -> None:
    kafka.ensure_topics(settings, Product())
    producer = kafka.producer(settings)
    producer.produce(Product.topic, b"kept")
    assert producer.flush(20) == 0
    before, word = content(settings), epoch.current(settings)
    product = next(key.split("/")[0] for key in before if "/turns/" in key)
    rows = Lake(settings).read(product, "turns").num_rows
    kill("localstack", "minio")

    rebuilt: list[Settings] = []
    again = services.up(quiet, rebuild=lambda found, _: rebuilt.append(found))

    assert services.status().healthy
    assert again.kms_key_arn != settings.kms_key_arn  # LocalStack is another one
    assert rebuilt == []
    assert (content(again), epoch.current(again)) == (before, word)
    assert Lake(again).read(product, "turns").num_rows == rows > 0
    assert second_plan() == 0


def test_a_lost_volume_is_noticed_and_the_lake_rebuilt(settings: Settings, home: Path) -> None:
    word = epoch.current(settings)
    kill("minio")
    shutil.rmtree(home / "data" / "minio")

    rebuilt: list[Settings] = []
    again = services.up(quiet, rebuild=lambda found, _: rebuilt.append(found))

    assert rebuilt == [again]
    assert epoch.current(again) not in (None, word)
    assert set(content(again)) == {epoch.KEY}


def test_down_ends_it_from_a_shell_that_does_not_know_of_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = configuration.local_endpoints()
    monkeypatch.delenv("PULSEIQ_STORAGE")
    services.down(quiet)
    assert not any(ports.listening(program.port) for program in services.programs(known))
