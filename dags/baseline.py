"""What is normal, learnt anew every night."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from pulseiq_airflow.defaults import common, documented, product_param
from pulseiq_airflow.jobs import PRODUCT, job

DOC = documented(
    "Learns from the last weeks of gold what is normal, per series, hour and weekday.",
    output="a row per series in `baseline`; the last seven runs are kept.",
    impact="detection goes on with the run before; after days it takes slow growth for incidents.",
    again="clear the task; the same end of history replaces its rows.",
)

with DAG(
    "baseline",
    schedule="10 3 * * *",
    doc_md=DOC,
    params=product_param(),
    **common("tier-2", "gold"),
):
    job("learn", ["run", "baseline", PRODUCT], role="baseline", pool="baseline", timeout=timedelta(hours=1))
