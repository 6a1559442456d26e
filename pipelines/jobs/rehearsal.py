"""AWS's variables on this machine's emulator, from apply to destroy: what stands in for a run on AWS.

Each step says what it found, and the first that is not as it must be ends the rehearsal. What is overridden is in
terraform/env/rehearsal.tfvars.
"""

from __future__ import annotations

from collections.abc import Callable

from pipelines.contract import Contract
from pipelines.errors import StateError, UsageError
from pipelines.platform import deployment, job_runs, package
from pipelines.platform import settings as configuration
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Endpoints, Settings

Echo = Callable[[str], object]

# A driver and its Python start in a minute on a busy laptop.
_JOB_SECONDS = 600.0


def run(contract: Contract, echo: Echo) -> None:
    """Apply, run the streams and a batch job through EMR Serverless, look at what they wrote, destroy.

    Args:
        contract: the product whose topics are read, with what they hold already.
        echo: called with one line for each step.

    Raises:
        UsageError: this is no rehearsal.
        StateError: something is not as it must be.
        ServiceError: Terraform or a job failed.
    """
    known = configuration.endpoints()
    if not known.rehearsal:
        raise UsageError("this environment is no rehearsal", hint="make rehearse")
    planned = deployment.plan(known, echo=echo)
    deployment.apply(planned, echo)
    echo(f"applied: {len(planned.resources)} resources of AWS's variables")
    try:
        again = deployment.plan(known, echo=echo)
        if not again.changes.none:
            raise StateError(f"a second plan is not empty: {again.changes}", hint=f"read {again.stack.log_file}")
        echo("a second plan is empty")
        _jobs(configuration.load(), contract, echo)
    finally:
        _clear(known, echo)


def _jobs(settings: Settings, contract: Contract, echo: Echo) -> None:
    release = package.publish(settings, echo=lambda _: None)
    for role, words in (
        ("live", ["run", "live", contract.product, "--once"]),
        ("baseline", ["run", "baseline", contract.product]),
    ):
        ended = job_runs.run(settings, release, role, words, _JOB_SECONDS, {"PULSEIQ_REHEARSAL": "1"})
        echo(f"job {' '.join(words)}: {ended.state} after {ended.seconds:.0f} s, as role {role}")
    lake = Lake(settings)
    batches = lake.read(contract.product, "batches", columns=["rows_in", "silver", "quarantine", "duplicates", "held"])
    sums = {name: sum(batches[name].to_pylist()) for name in batches.column_names}
    placed = sums.get("silver", 0) + sums.get("quarantine", 0) + sums.get("duplicates", 0) + sums.get("held", 0)
    if not sums.get("rows_in") or sums["rows_in"] != placed:
        raise StateError(f"the jobs read {sums.get('rows_in', 0)} records and placed {placed}", hint="pulseiq ledger")
    echo(f"the jobs read {placed:,} records, each in one place: {sums}")


def _clear(known: Endpoints, echo: Echo) -> None:
    deployment.destroy(known)
    left = deployment.leftovers(known)
    if left:
        raise StateError(f"destroy left {', '.join(left)}", hint="pulseiq down, then pulseiq up")
    echo("destroyed: the emulator holds nothing of it any more")
