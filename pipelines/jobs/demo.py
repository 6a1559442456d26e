"""The whole path once, on simulated traffic: services, a week of history, an incident, the report, the ledger.

It always starts from an empty product: what an earlier run left in Kafka and in the lake is removed first, and said so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.incidents import report as incident_report
from pipelines.incidents.record import read_incidents
from pipelines.jobs import baseline
from pipelines.jobs.live import Live
from pipelines.ledger import audit
from pipelines.ledger import report as ledger_report
from pipelines.platform import kafka, services
from pipelines.platform.settings import Settings
from pipelines.platform.settings import load as load_settings
from pipelines.platform.spark import session
from pipelines.replay.rebuild import remove_lake
from pipelines.simulate.run import produce
from pipelines.simulate.world import World

PRODUCT = "shop"
HISTORY = timedelta(days=7)
# The last stretch arrives after the baseline was learnt; every scenario's incident lies in it.
RECENT = timedelta(hours=2)


class Steps:
    """Prints what is going on and since when, one line a step, and a line every few seconds of a long one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._started = time.monotonic()
        self._last = 0.0

    def __call__(self, text: str) -> None:
        self._last = time.monotonic()
        self.console.print(f"[dim]{self._last - self._started:5.0f} s[/dim]  {text}", highlight=False)

    def progress(self, text: str, every: float = 5.0) -> None:
        """Print unless a line was printed less than `every` seconds ago."""
        if time.monotonic() - self._last >= every:
            self(text)


def run(scenario: str, seed: int, overrides: Sequence[str]) -> None:
    """Run the demo and print its report; services stay up."""
    console = Console()
    step = Steps(console)
    contract = contracts.load(PRODUCT)
    step("services: Kafka, LocalStack, Terraform")
    services.up(echo=lambda line: step(f"  {line}"))
    settings = load_settings()
    now = datetime.now(UTC)
    world = World.load(contract, seed=seed, scenario=scenario, overrides=overrides, until=now)
    step("Spark: starting the driver")
    spark = session(settings, "demo")
    with Live(spark, settings, contract) as running:
        _start_empty(settings, contract, step)
        running.start(once=False)
        border = now - RECENT
        step(f"history: {HISTORY.days} days of traffic to Kafka, while bronze and refine read it")
        _send_and_drain(running, settings, contract, world, now - HISTORY, border, step)
        step("baseline: what is normal, from the history")
        baseline.run(spark, settings, contract, until=border)
        end = datetime.now(UTC)
        step(f"recent: the last {RECENT.total_seconds() / 3600:.0f} hours, with the scenario '{scenario}'")
        _send_and_drain(running, settings, contract, world, border, end, step)
        step("detect: every window since the baseline")
        running.tick(now=end)
        step("ledger: where every record is")
        ledger = audit.audit(settings, contract)
    console.print()
    incidents = read_incidents(settings, contract.product)
    if incidents:
        for incident in incidents:
            console.print(incident_report.render(incident))
    else:
        console.print(f"[bold green]{PRODUCT}: nothing abnormal[/bold green] as of {end:%Y-%m-%d %H:%M:%S} UTC")
    console.print(ledger_report.render(ledger))
    console.print(
        "\nKafka and LocalStack are still up. Look further:\n"
        f"  pulseiq now {PRODUCT}\n  pulseiq incidents list {PRODUCT}\n  pulseiq ledger {PRODUCT}\n  pulseiq status\n"
        "`make down` ends them, `make clean` removes everything."
    )


def _start_empty(settings: Settings, contract: Contract, step: Steps) -> None:
    """An earlier demo's events would be twins of this one's, and its incident part of this one's history."""
    if kafka.delete_topics(settings, contract):
        step(f"removing what an earlier run left of '{contract.product}' in Kafka and in the lake")
    remove_lake(settings, contract)
    kafka.ensure_topics(settings, contract)


def _send_and_drain(
    running: Live, settings: Settings, contract: Contract, world: World, start: datetime, end: datetime, step: Steps
) -> None:
    """Produce a stretch of the world's traffic and wait until the streams have read it all."""
    sent = 0
    failure: list[BaseException] = []

    def send() -> None:
        nonlocal sent

        def note(count: int) -> None:
            nonlocal sent
            sent = count

        try:
            produce(settings, contract, world, start, end, progress=note)
        except BaseException as error:
            failure.append(error)

    sender = threading.Thread(target=send, name="simulator", daemon=True)
    sender.start()
    while sender.is_alive():
        running.check()
        step.progress(f"  {sent:,} sent, {running.unread('refine'):,} waiting for refine")
        sender.join(timeout=1.0)
    if failure:
        raise failure[0]
    running.drain(lambda behind: step.progress(f"  {sent:,} sent, {behind:,} waiting for refine"))
    step(f"  {sent:,} events sent and refined")
