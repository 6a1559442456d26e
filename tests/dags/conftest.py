"""The DAGs as Airflow reads them, in an Airflow home of this session's own: no database of anybody is touched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "dags"

# Before Airflow is imported for the first time, which reads them.
os.environ |= {
    "AIRFLOW_HOME": tempfile.mkdtemp(prefix="airflow-tests-"),
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DAGS_FOLDER": str(FOLDER),
    "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="session")
def bag() -> Any:
    """The DagBag of `dags/`."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(FOLDER))


@pytest.fixture(scope="session")
def files() -> list[Path]:
    """One file per DAG."""
    return sorted(FOLDER.glob("*.py"))
