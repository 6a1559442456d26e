"""What holds for every DAG: owner, retries, who is told; tags by tier, pools, assets, common parameters."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.sns import SnsHook
from airflow.sdk import Asset, Param

from pulseiq_airflow.manifest import AWS_CONNECTION, MACROS, manifest

# Tier 1: people are misled while it fails. Tier 2: it may wait until morning. Tier 3: it may wait a week.
TIERS = ("tier-1", "tier-2", "tier-3")

SILVER = Asset(name="silver_audited", uri="x-pulseiq://silver", group="pulseiq")
PUBLISHED = Asset(name="gold_published", uri="x-pulseiq://gold_published", group="pulseiq")

_log = logging.getLogger(__name__)


def tell(context: Any) -> None:
    """Tell the topic of alerts which task failed, why, and where its log is. A failure to tell is logged."""
    instance = context["task_instance"]
    subject = f"PulseIQ: {instance.dag_id}.{instance.task_id} failed"
    lines = [
        subject,
        f"run {instance.run_id}, attempt {instance.try_number}",
        f"cause: {str(context.get('exception') or 'the task was killed')[:1500]}",
        f"log: {getattr(instance, 'log_url', '')}",
    ]
    try:
        SnsHook(aws_conn_id=AWS_CONNECTION).publish_to_target(
            target_arn=manifest("alerts_topic_arn"), subject=subject[:100], message="\n".join(lines)
        )
    except Exception:
        _log.exception("nobody could be told")


def common(tier: str, layer: str, *, paused: bool = True) -> dict[str, Any]:
    """Arguments that every DAG is made with."""
    return {
        "start_date": datetime(2026, 1, 1, tzinfo=UTC),
        "catchup": False,
        "max_active_runs": 1,
        "is_paused_upon_creation": paused,
        "render_template_as_native_obj": False,
        "user_defined_macros": MACROS,
        "tags": [tier, f"layer-{layer}", "pulseiq"],
        "default_args": {
            "owner": "data-platform",
            "retries": 2,
            "retry_delay": timedelta(minutes=2),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=20),
            "execution_timeout": timedelta(hours=1),
            "on_failure_callback": tell,
        },
    }


def product_param() -> dict[str, Param]:
    """The parameter `product`."""
    return {
        "product": Param(
            None,
            type=["null", "string"],
            pattern="^[a-z][a-z0-9_]*$",
            title="Product",
            description="A folder of contracts/; empty is the deployment's product.",
        )
    }


def documented(text: str, *, output: str, impact: str, again: str, sections: Sequence[str] = ()) -> str:
    """A DAG's page: what it is for, its output, what a failure means, how to run it again."""
    parts = [text, f"**Output**: {output}", f"**Impact of failure**: {impact}", f"**Run it again**: {again}", *sections]
    # Airflow's page breaks a line around every `name`; it leaves *name* where it is.
    return "\n\n".join(parts).replace("`", "*")
