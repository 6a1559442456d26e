"""Runs in Airflow's environment: one DAG by its own `test()`, and tells the states of its tasks in JSON.

Arguments: the DAG's name, its parameters in JSON.
"""

from __future__ import annotations

import json
import sys


def main(name: str, given: str) -> None:
    from airflow.configuration import conf
    from airflow.dag_processing.dagbag import DagBag

    folder = conf.get("core", "dags_folder")
    sys.path.insert(0, folder)  # as Airflow's own processes do
    dag = DagBag(folder).dags[name]
    run = dag.test(run_conf=json.loads(given))
    print(json.dumps({task.task_id: task.state for task in run.get_task_instances()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
