"""The whole path once, on simulated traffic: services, five days of history, an incident, the report, the ledger.

The streams and the baseline run as on AWS, as jobs of EMR Serverless; this process sends events and looks at the lake.
It always starts from an empty product: what an earlier run left in Kafka and in the lake is removed first, and said so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Console

from pipelines import contract as contracts
from pipelines.contract import Contract
from pipelines.errors import ServiceError
from pipelines.incidents import report, store
from pipelines.jobs import detect_state
from pipelines.ledger.audit import audit
from pipelines.ledger.report import print_ledger
from pipelines.platform import job_runs, kafka, package, services
from pipelines.platform.job_runs import Submitted
from pipelines.platform.lake import Lake
from pipelines.platform.package import Release
from pipelines.platform.settings import Settings
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
_JOB_SECONDS = 900.0
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
    step("services: Kafka, LocalStack, Terraform")
    settings = services.up(lambda line: step(f"  {line}"))
    _start_empty(settings, contract, step)
    truth = settings.home / "labels" / f"{PRODUCT}-{scenario}-{seed}.ndjson"
    labels.write(world.labels(), truth)
    release = package.publish(settings, echo=lambda _: None)
    with _live(settings, contract, release, step) as streams:
        border = until - RECENT
        step(f"history: {HISTORY.days} days of traffic to Kafka, while the streams start and read it")
        _send(streams, world, until - HISTORY, border, step)
        step("baseline: what is normal, learnt from the history, by a second job")
        words = ["run", "baseline", PRODUCT, "--until", border.isoformat()]
        learning = job_runs.submit(settings, release, "baseline", words, brief=True)
        end = datetime.now(UTC)
        # Meanwhile: to a detect loop that knows what is normal, hours that have not arrived are silence.
        step(f"recent: the last {RECENT // timedelta(hours=1)} hours of traffic, with the scenario '{scenario}'")
        _send(streams, world, border, end, step)
        _await(
            lambda: not job_runs.check(settings, learning),
            streams,
            lambda: step.progress("the baseline is being learnt"),
        )
        step("detect: every window since the baseline")
        _await_verdict(streams, datetime.now(UTC), end, step)
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
        f"What was injected: {truth}\nWhat every batch did: {streams.job.logs}SPARK_DRIVER/stdout.gz\n"
        "`make down` ends the services, `make clean` removes everything.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _start_empty(settings: Settings, contract: Contract, step: Steps) -> None:
    """An earlier demo's events would be twins of this one's, and its incident part of this one's history."""
    for left in job_runs.under_way(settings, "live"):
        step(f"ending job {left.identifier}, which an earlier run left")
        job_runs.cancel(settings, left)
    if kafka.delete_topics(settings, contract):
        step(f"removing what an earlier run left of '{contract.product}' in Kafka and in the lake")
    remove_lake(settings, contract)
    kafka.ensure_topics(settings, contract)


@dataclass(frozen=True)
class _Streams:
    """The job that runs the product's streams, seen from outside: by its state, and by what it wrote to the lake."""

    settings: Settings
    contract: Contract
    job: Submitted

    def check(self) -> None:
        """Raise when the job has ended."""
        if not job_runs.check(self.settings, self.job):
            raise ServiceError("the streams ended by themselves", hint=f"read {self.job.logs}")

    def unread(self) -> int:
        """Records in Kafka that no batch of refine tells of yet."""
        read = detect_state.reached(Lake(self.settings), self.contract.product).offsets
        return sum(
            max(0, end - read.get((topic, partition), 0))
            for topic in (self.contract.topic, self.contract.redrive_topic)
            for partition, end in kafka.end_offsets(self.settings, topic).items()
        )


@contextmanager
def _live(settings: Settings, contract: Contract, release: Release, step: Steps) -> Iterator[_Streams]:
    """Within it, the streams run as a job."""
    # Whoever waits for a demo is told at once what failed.
    job = job_runs.submit(settings, release, "live", ["run", "live", PRODUCT], failures=1)
    step(f"streams: bronze, refine and detect are job {job.identifier} of EMR Serverless")
    try:
        yield _Streams(settings, contract, job)
    finally:
        job_runs.cancel(settings, job)


def _await_verdict(streams: _Streams, learnt: datetime, end: datetime, step: Steps) -> None:
    """Wait for a tick of the detect loop, begun when the baseline was learnt, that has seen everything until `end`."""
    lake = Lake(streams.settings)

    def judged() -> bool:
        tick = store.last_tick(lake, streams.contract.product)
        if tick is None or tick.data_until is None:
            return False
        return tick.now >= learnt and tick.caught_up and tick.data_until >= end

    _await(judged, streams, lambda: step.progress("the detect loop turns every 15 s"))


def _await(done: Callable[[], bool], streams: _Streams, tell: Callable[[], None]) -> None:
    deadline = time.monotonic() + _JOB_SECONDS
    while not done():
        streams.check()
        if time.monotonic() > deadline:
            raise ServiceError(f"nothing came of it in {_JOB_SECONDS:.0f} s", hint=f"read {streams.job.logs}")
        tell()
        time.sleep(0.5)


def _send(streams: _Streams, world: World, start: datetime, end: datetime, step: Steps) -> None:
    """Produce a stretch of the world's traffic and wait until the streams have read it all."""
    sent = 0
    failure: list[BaseException] = []

    def note(progress: Progress) -> None:
        nonlocal sent
        sent = progress.events

    def send() -> None:
        try:
            produce(streams.settings, streams.contract, world, start, end, note)
        except BaseException as error:
            failure.append(error)

    sender = threading.Thread(target=send, name="simulator", daemon=True)
    sender.start()
    while sender.is_alive():
        streams.check()
        step.progress(f"{sent:,} events sent")
        sender.join(timeout=0.5)
    if failure:
        raise failure[0]
    behind = sent

    def refined() -> bool:
        nonlocal behind
        behind = streams.unread()
        return behind == 0

    _await(refined, streams, lambda: step.progress(f"{sent:,} events sent, {behind:,} still to refine"))
    step(f"  {sent:,} events sent and refined")
