"""A stretch of silver and gold again, out of bronze. By hand."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from pulseiq_airflow.defaults import common, documented, product_param
from pulseiq_airflow.jobs import PRODUCT, answer, job

DOC = documented(
    "Rebuilds silver and gold of a stretch of event time from bronze, day by day: classifies by what was recorded, "
    "compares checksums, verifies the ledger, then swaps in by one transaction a table. Decides nothing again.",
    output="silver and gold of the stretch as bronze says; checksums before and after in the log; an entry in "
    "`command_log`.",
    impact="nothing was changed beyond the days that the log calls swapped in; a day is whole or untouched.",
    again="clear the task: days that are already right are left alone.",
    sections=[
        "**Refused** while the stream runs (it holds refine's lease), and when the ledger would balance less than "
        "before; the log says which. Tables lost with bronze come back by `pulseiq replay PRODUCT --from kafka`.",
    ],
)

TIME = "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?$"

with DAG(
    "replay",
    schedule=None,
    doc_md=DOC,
    params={
        "from": Param(None, type=["null", "string"], pattern=TIME, title="From", description="UTC, e.g. 2026-11-20"),
        "to": Param(None, type=["null", "string"], pattern=TIME, title="To", description="UTC, itself excluded"),
        "layer": Param(
            "silver", enum=["silver", "gold"], title="Layer", description="silver with its gold, or gold alone"
        ),
        "check": Param(False, type="boolean", title="Only check", description="Compare and verify, change nothing."),
        **product_param(),
    },
    **common("tier-2", "silver", paused=False),
):
    rebuild = job(
        "rebuild",
        [
            *("replay", PRODUCT, "--from", "bronze", "--yes"),
            *("--layer", "{{ params.layer }}"),
            "--since={{ params['from'] or '' }}",
            "--until={{ params['to'] or '' }}",
            "--piece={{ '1d' if params['from'] and params['to'] else '' }}",
            "{{ '--check' if params.check else '--swap' }}",
            *("--by", "airflow", "--reason", "{{ run_id }}"),
        ],
        role="replay",
        pool="gold",
        timeout=timedelta(hours=6),
    )
    answer(rebuild)
