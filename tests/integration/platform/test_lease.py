"""Starters that race for one lease on a real S3; moto reads an object outside its lock and so cannot judge a race."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from pipelines.errors import StateError
from pipelines.platform.lease import Lease
from pipelines.platform.settings import Settings

STARTERS = 6


def test_of_many_starters_one_gets_it(services: Settings) -> None:
    name = f"race-{uuid.uuid4().hex}"
    with Lease(services, name):
        pass
    start, end = Barrier(STARTERS, timeout=60), Barrier(STARTERS, timeout=60)

    def race(_: int) -> str:
        lease = Lease(services, name)
        start.wait()
        try:
            with lease:
                end.wait()  # Held until the others have been refused.
                return "it"
        except StateError as error:
            end.wait()
            return str(error)

    with ThreadPoolExecutor(STARTERS) as pool:
        said = list(pool.map(race, range(STARTERS)))
    assert said.count("it") == 1
    assert all(name in each for each in said if each != "it")
