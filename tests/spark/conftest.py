"""One Spark session for all tests of transformations: local disk, two cores, no service."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from pipelines.platform import spark as sparks


@pytest.fixture(scope="session")
def spark() -> Iterator[SparkSession]:
    spark = sparks.session(None, "tests", memory="1g")
    yield spark
    # A test on real services may have taken its place.
    if SparkSession._instantiatedSession is spark:
        sparks.stop(spark)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for Spark carries its marker, so that `-m 'not spark'` needs no JVM."""
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
