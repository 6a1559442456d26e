"""A `pulseiq` command as a job on EMR Serverless, and what it answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.providers.amazon.aws.operators.emr import EmrServerlessStartJobOperator
from airflow.sdk import Asset, get_current_context, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from pulseiq_airflow.manifest import AWS_CONNECTION, manifest

_POLL_SECONDS = 10
# Exit codes that are an answer and no failure, as the command line documents them.
UNBALANCED, HELD, OVER_BUDGET = 7, 8, 9
# The product that a person gave, or else the deployment's own.
PRODUCT = "{{ params.product or product_of_deployment() }}"
_RESULT = "results/{{ dag.dag_id }}/{{ run_id | replace(':', '-') | replace('+', '-') }}/%s.json"


def job(
    task_id: str, words: Sequence[str], *, role: str, pool: str, timeout: timedelta, answers: Sequence[int] = ()
) -> EmrServerlessStartJobOperator:
    """A task that runs `pulseiq WORDS` and waits for its end.

    It waits in its own process, not in a triggerer: a dozen jobs a day are not worth one more process of Airflow, and
    a task that is killed takes its job along.

    Args:
        words: of the command; templates are filled in.
        role: the job whose role it runs under.
        pool: the table that it rewrites; tasks of one table queue.
        timeout: after it the job is cancelled.
        answers: exit codes besides 0 that are an answer, for `answer` to judge.
    """
    options = ["--result", f"s3://{{{{ manifest('artifacts_bucket') }}}}/{_RESULT % task_id}"]
    options += [option for code in answers for option in ("--answer", str(code))]
    return EmrServerlessStartJobOperator(
        task_id=task_id,
        aws_conn_id=AWS_CONNECTION,
        application_id="{{ manifest('emr_application_id') }}",
        execution_role_arn=f"{{{{ job_role('{role}') }}}}",
        name=f"pulseiq-{role}-{task_id}",
        job_driver={
            "sparkSubmit": {
                "entryPoint": "{{ release()['entry'] }}",
                "entryPointArguments": [*options, "--", *words],
                "sparkSubmitParameters": "{{ submit_parameters() }}",
            }
        },
        configuration_overrides={
            "monitoringConfiguration": {
                "s3MonitoringConfiguration": {"logUri": "s3://{{ manifest('artifacts_bucket') }}/logs/"}
            }
        },
        waiter_delay=_POLL_SECONDS,
        waiter_max_attempts=int(timeout.total_seconds() / _POLL_SECONDS),
        deferrable=False,
        pool=pool,
        execution_timeout=timeout + timedelta(minutes=1),
    )


def answer(
    of: EmrServerlessStartJobOperator,
    *,
    outlets: Sequence[Asset] = (),
    skip_on: int | None = None,
    pass_on: int | None = None,
) -> Any:
    """A task that shows what a job said, and ends as it answered: done, skipped with its words, or failed with them."""

    @task(task_id=f"{of.task_id}_answer", outlets=list(outlets), retries=0, execution_timeout=timedelta(minutes=10))
    def show(key: str) -> dict[str, Any]:
        found = read_result(key)
        print(found["output"])
        said = found["output"].strip() or "(it said nothing)"
        if found["exit_code"] == skip_on:
            raise AirflowSkipException(said)
        if found["exit_code"] not in (0, pass_on):
            raise AirflowFailException(said)
        mark(outlets, found["words"])
        return {"exit_code": found["exit_code"], "seconds": found["seconds"]}

    shown = show(_RESULT % of.task_id)
    of >> shown
    return shown


def mark(outlets: Sequence[Asset], words: Sequence[str]) -> None:
    """Say on each asset's event which command it is from."""
    if outlets:
        events = get_current_context()["outlet_events"]
        for asset in outlets:
            events[asset].extra = {"command": " ".join(words)}


def read_result(key: str) -> Mapping[str, Any]:
    """What a job wrote about its own end."""
    bucket = manifest("artifacts_bucket")
    try:
        found: dict[str, Any] = json.loads(S3Hook(aws_conn_id=AWS_CONNECTION).read_key(key, bucket_name=bucket))
    except Exception as error:
        raise AirflowException(f"the job left no result in s3://{bucket}/{key}: {error}") from error
    return found
