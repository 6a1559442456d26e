"""The whole path once, on simulated traffic: services, five days of history, an incident, the report, the ledger.

It always starts from an empty product: what an earlier run left in Kafka and in the lake is removed first, and said so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from rich.console import Console

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.incidents import report, store
from pipelines.jobs import baseline
from pipelines.jobs.live import Live
from pipelines.ledger.audit import audit
from pipelines.ledger.report import print_ledger
from pipelines.platform import kafka, services
from pipelines.platform import settings as configuration
from pipelines.platform.lake import Lake
from pipelines.platform.logs import logging_to
from pipelines.platform.settings import Settings
from pipelines.platform.spark import session
from pipelines.replay.rebuild import remove_lake
from pipelines.simulate import labels
from pipelines.simulate.run import Progress, produce, world_of
from pipelines.simulate.world import World

PRODUCT = "shop"
# Dense enough that a segment speaks at night, too; a sixth and seventh day would thin it out.
HISTORY = timedelta(days=5)
EVENTS = 600_000
# The last stretch arrives after the baseline was learnt; every scenario's incident lies in it.
RECENT = timedelta(hours=2)
_REPORT_EVERY_SECONDS = 5.0
_REPEAT_EVERY_SECONDS = 20.0


class Steps:
    """Prints what is going on and since when, one line a step, and a line every few seconds of a long one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._last = 0.0
        self._said = ""

    def __call__(self, text: str) -> None:
        self._last = time.monotonic()
        self._console.print(f"[dim]{self._last - self._started:4.0f} s[/dim]  {text}", highlight=False)

    def progress(self, text: str) -> None:
        """Print unless a line was printed a moment ago, or the same one not long ago."""
        wait = _REPEAT_EVERY_SECONDS if text == self._said else _REPORT_EVERY_SECONDS
        if time.monotonic() - self._last >= wait:
            self._said = text
            self(f"  {text}")


def run(scenario: str, seed: int, overrides: Sequence[str]) -> None:
    """Run the demo and print its report; services stay up."""
    console = Console()
    step = Steps(console)
    contract = contracts.load(PRODUCT)
    until = datetime.now(UTC)
    world = world_of(contract, seed, scenario, overrides, start=until - HISTORY, end=until, events=EVENTS)
    step("services: Kafka, LocalStack, Terraform; and Spark's driver beside them")
    known = configuration.local_endpoints()
    # Terraform waits for most of a minute: the driver starts meanwhile.
    with ThreadPoolExecutor(1) as pool:
        driver = pool.submit(session, known, "demo")
        settings = services.up(lambda line: step(f"  {line}"))
        spark = driver.result()
    _start_empty(settings, contract, step)
    truth = settings.home / "labels" / f"{PRODUCT}-{scenario}-{seed}.ndjson"
    labels.write(world.labels(), truth)
    log = settings.home / "log" / "demo.ndjson"
    with logging_to(log), Live(spark, settings, contract) as running:
        running.start(once=False)
        border = until - RECENT
        step(f"history: {HISTORY.days} days of traffic to Kafka, while bronze and refine read it")
        _send(running, settings, contract, world, until - HISTORY, border, step)
        step("baseline: what is normal, learnt from the history")
        baseline.run(spark, settings, contract, until=border)
        end = datetime.now(UTC)
        step(f"recent: the last {RECENT // timedelta(hours=1)} hours of traffic, with the scenario '{scenario}'")
        _send(running, settings, contract, world, border, end, step)
        step("detect: every window since the baseline")
        running.tick(now=end)
    step("ledger: where every record is")
    ledger = audit(settings, contract)
    console.print()
    incidents = store.incidents(Lake(settings), contract.product)
    for incident in incidents:
        console.print(report.render(incident))
    if not incidents:
        console.print(f"[bold green]{PRODUCT}: nothing abnormal[/bold green] as of {end:%Y-%m-%d %H:%M:%S} UTC\n")
    print_ledger(ledger, console)
    console.print(
        "\nKafka and LocalStack are still up. Look further:\n"
        f"  pulseiq dashboard {PRODUCT}\n  pulseiq now {PRODUCT}\n  pulseiq incidents list {PRODUCT}\n"
        f"  pulseiq quality held list {PRODUCT}\n"
        f"  pulseiq ledger {PRODUCT}\n  pulseiq status\n"
        f"What was injected: {truth}\nWhat every batch did: {log}\n"
        "`make down` ends the services, `make clean` removes everything.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _start_empty(settings: Settings, contract: Contract, step: Steps) -> None:
    """An earlier demo's events would be twins of this one's, and its incident part of this one's history."""
    if kafka.delete_topics(settings, contract):
        step(f"removing what an earlier run left of '{contract.product}' in Kafka and in the lake")
    remove_lake(settings, contract)
    kafka.ensure_topics(settings, contract)


def _send(
    running: Live, settings: Settings, contract: Contract, world: World, start: datetime, end: datetime, step: Steps
) -> None:
    """Produce a stretch of the world's traffic and wait until the streams have read it all."""
    sent = 0
    failure: list[BaseException] = []

    def note(progress: Progress) -> None:
        nonlocal sent
        sent = progress.events

    def send() -> None:
        try:
            produce(settings, contract, world, start, end, note)
        except BaseException as error:
            failure.append(error)

    sender = threading.Thread(target=send, name="simulator", daemon=True)
    sender.start()
    while sender.is_alive():
        running.check()
        step.progress(f"{sent:,} events sent")
        sender.join(timeout=0.5)
    if failure:
        raise failure[0]
    running.drain(lambda behind: step.progress(f"{sent:,} events sent, {behind:,} still to refine"))
    step(f"  {sent:,} events sent and refined")
