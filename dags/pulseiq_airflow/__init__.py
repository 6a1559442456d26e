"""What the DAGs share: jobs on EMR Serverless, their answers, defaults, pools, assets and who is told of a failure.

Imports Airflow's SDK and its amazon provider, and nothing of PulseIQ: a DAG submits the words of a `pulseiq` command.
Names and addresses come from the manifest in SSM, `/pulseiq/<env>/`, when a task runs; parsing asks nobody.
"""
