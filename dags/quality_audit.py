"""The full suites over what came since the last audit; hands silver over."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from pulseiq_airflow.defaults import SILVER, common, documented, product_param
from pulseiq_airflow.jobs import HELD, PRODUCT, answer, job

DOC = documented(
    "Runs every suite by Spark over the rows since the last audit, and publishes the Data Docs.",
    output="rows in `audit_results`; the report in the reports bucket; asset `silver_audited`, which "
    "starts `gold_publish`.",
    impact="nothing new is published to `gold_published`; the gate in the stream and detection go on.",
    again="clear the run; an audit begins where the last finished one ended.",
    sections=["Critical failures do not fail this DAG: the audit did its work, and `gold_publish` says what it holds."],
)

with DAG(
    "quality_audit",
    schedule="25 * * * *",
    doc_md=DOC,
    params=product_param(),
    **common("tier-1", "silver"),
):
    audit = job(
        "audit",
        ["quality", "audit", PRODUCT, "--since-last"],
        role="audit",
        pool="audit_results",
        timeout=timedelta(minutes=50),
        answers=[HELD],
    )
    docs = job("docs", ["quality", "docs", PRODUCT], role="audit", pool="audit_results", timeout=timedelta(minutes=30))
    answer(audit, outlets=[SILVER], pass_on=HELD)
    audit >> docs
