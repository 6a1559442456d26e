"""What a day cost, per layer and per million events, against the budget."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from pulseiq_airflow.defaults import common, documented, product_param
from pulseiq_airflow.jobs import OVER_BUDGET, PRODUCT, answer, job

DOC = documented(
    "Counts bytes, requests and compute seconds per layer, and prices them by the list prices in the repository.",
    output="rows in `cost`; the table in the log of `cost_answer`; an alert when the day is over the budget.",
    impact="none on data; money may be spent unseen.",
    again="clear the run; the same day replaces its rows.",
)

with DAG(
    "cost_report",
    schedule="0 5 * * *",
    doc_md=DOC,
    params={
        **product_param(),
        "budget": Param(1.0, type="number", minimum=0, title="Budget", description="Dollars per million events."),
    },
    **common("tier-3", "all"),
):
    cost = job(
        "cost",
        ["run", "cost-report", PRODUCT, "--budget", "{{ params.budget }}"],
        role="cost",
        pool="cost",
        timeout=timedelta(minutes=30),
        answers=[OVER_BUDGET],
    )
    answer(cost)
