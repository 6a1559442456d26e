"""Gold that people query, when silver was audited and the gate lets it through."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from pulseiq_airflow.defaults import PUBLISHED, SILVER, common, documented, product_param
from pulseiq_airflow.jobs import HELD, PRODUCT, answer, job

DOC = documented(
    "Gates silver to gold: the sums of closed windows must be those of silver's rows, and the last audit without a "
    "critical failure. Then the days that changed are replaced in `gold_published`.",
    output="`gold_published`, a row per closed window and leaf, its partitions in Glue; asset `gold_published`. "
    "When the gate holds, the task `publish_answer` is skipped and its log says why.",
    impact="people's queries see the state before; detection reads `gold` and goes on.",
    again="trigger it; what is already published is left alone.",
)

with DAG(
    "gold_publish",
    schedule=[SILVER],
    doc_md=DOC,
    params=product_param(),
    **common("tier-1", "gold", paused=False),
):
    publish = job(
        "publish",
        ["run", "publish", PRODUCT],
        role="publish",
        pool="gold_published",
        timeout=timedelta(minutes=50),
        answers=[HELD],
    )
    answer(publish, outlets=[PUBLISHED], skip_on=HELD)
