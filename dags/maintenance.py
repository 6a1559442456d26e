"""The nightly care for the tables, while the streams run."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from pulseiq_airflow.defaults import common, documented, product_param
from pulseiq_airflow.jobs import PRODUCT, answer, job

DOC = documented(
    "Puts small files together, merges closed windows of gold to a row per leaf, deletes files that no reader can "
    "need, and looks at checkpoints' age and tables' growth. Every change is an ordinary transaction beside streams.",
    output="a row per table in `maintenance`, an entry in `command_log`, the figures in the log of `care_answer`.",
    impact="nothing is wrong; reading gets slower and storage grows. It may fail for a week.",
    again="clear the run, at any time.",
    sections=[
        "Files are kept for the retention, or longer where a reader lags: never less than its lag and six hours more."
    ],
)

with DAG(
    "maintenance",
    schedule="30 2 * * *",
    doc_md=DOC,
    params={
        **product_param(),
        "retention": Param("7d", type="string", pattern="^[0-9]+[hd]$", title="Retention", description="e.g. 7d, 48h"),
    },
    **common("tier-3", "gold"),
):
    care = job(
        "care",
        ["run", "maintenance", PRODUCT, "--retention", "{{ params.retention }}"],
        role="maintenance",
        pool="gold",
        timeout=timedelta(hours=4),
    )
    answer(care)
