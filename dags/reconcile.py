"""Is every event accounted for, once?"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from pulseiq_airflow.defaults import common, documented, product_param
from pulseiq_airflow.jobs import PRODUCT, UNBALANCED, answer, job

DOC = documented(
    "Joins every offset that Kafka holds with the tables: each record must be in silver, quarantine, "
    "duplicates or held, once.",
    output="the ledger in the log of `ledger_answer`; an alert when it does not balance.",
    impact="a loss would be noticed later. When it does not balance: **stop and look**, `pulseiq ledger PRODUCT` names "
    "the first records; `replay` mends silver and gold out of bronze.",
    again="clear the run; it changes nothing.",
)

with DAG(
    "reconcile",
    schedule="40 * * * *",
    doc_md=DOC,
    params=product_param(),
    **common("tier-1", "silver"),
):
    ledger = job(
        "ledger",
        ["ledger", PRODUCT],
        role="reconcile",
        pool="ledger",
        timeout=timedelta(minutes=50),
        answers=[UNBALANCED],
    )
    answer(ledger)
