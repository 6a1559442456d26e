"""Runs in Airflow's environment: the amazon provider's own operators and hook drive job runs, and tell of them in JSON.

Arguments: bucket that holds job.py, ARN of the role.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from airflow.providers.amazon.aws.hooks.emr import EmrServerlessHook
from airflow.providers.amazon.aws.operators.emr import (
    EmrServerlessCreateApplicationOperator,
    EmrServerlessDeleteApplicationOperator,
    EmrServerlessStartJobOperator,
    EmrServerlessStopApplicationOperator,
)


class TaskInstance:
    """What the operators ask of Airflow while they run: a place for their links."""

    def xcom_push(self, *arguments: Any, **named: Any) -> None:
        """Nobody reads it here."""


def main(bucket: str, role: str) -> None:
    context: Any = {"ti": TaskInstance(), "task_instance": TaskInstance()}
    waits = {"waiter_delay": 1, "waiter_max_attempts": 200}
    application = EmrServerlessCreateApplicationOperator(
        task_id="create", release_label="emr-spark-8.0.0", job_type="SPARK", config={"name": "from-airflow"}, **waits
    ).execute(context)
    answers = {}
    for name in ("good", "bad"):
        job = EmrServerlessStartJobOperator(
            task_id=name,
            application_id=application,
            execution_role_arn=role,
            job_driver={"sparkSubmit": {"entryPoint": f"s3://{bucket}/job.py", "entryPointArguments": [name]}},
            name=name,
            **waits,
        )
        try:
            run = job.execute(context)
            answers[name] = "ended"
        except Exception as error:  # Airflow's own, whose place moves between versions
            run = job.job_id
            answers[name] = str(error)
        details = EmrServerlessHook().conn.get_job_run(applicationId=application, jobRunId=run)["jobRun"]
        answers[f"{name} state"] = details["state"]
    EmrServerlessStopApplicationOperator(task_id="stop", application_id=application, force_stop=True, **waits).execute(
        context
    )
    EmrServerlessDeleteApplicationOperator(task_id="delete", application_id=application, **waits).execute(context)
    answers["application"] = EmrServerlessHook().conn.get_application(applicationId=application)["application"]["state"]
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
