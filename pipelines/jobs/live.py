"""One Spark driver for a product's streams: bronze, refine and the detect loop; the death of any one ends it.

Locally all three run here; on AWS each is a job of its own, this same class with one query.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, Self, get_args

from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from pipelines.alerts import send
from pipelines.bronze import stream as bronze
from pipelines.contract import Contract
from pipelines.errors import PulseIQError, StateError
from pipelines.gold.unchanged import refuse_changed
from pipelines.incidents import store
from pipelines.jobs import detect
from pipelines.platform import kafka
from pipelines.platform.lake import Lake
from pipelines.platform.lease import Lease
from pipelines.platform.logs import log_event
from pipelines.platform.settings import Settings
from pipelines.refine import stream as refine

Query = Literal["bronze", "refine", "detect"]
QUERIES: tuple[Query, ...] = get_args(Query)


@dataclass(frozen=True)
class Pace:
    """How large a micro-batch may be and how often each loop turns. Nobody waits for bronze, so it turns seldom."""

    max_rows: int = 200_000
    bronze_seconds: float = 10.0
    refine_seconds: float = 0.25
    tick_seconds: float = 15.0


class Live:
    """The running queries of one product. Use as a context manager; leases and queries end with it."""

    def __init__(
        self,
        spark: SparkSession,
        settings: Settings,
        contract: Contract,
        queries: Collection[Query] = QUERIES,
        pace: Pace | None = None,
    ) -> None:
        self.spark = spark
        self._settings = settings
        self._contract = contract
        self._queries = frozenset(queries)
        self._pace = pace or Pace()
        self._streams: dict[str, StreamingQuery] = {}
        self._failures: dict[str, BaseException] = {}
        self._leases: list[Lease] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for name in sorted(self._queries):
                self._leases.append(stack.enter_context(Lease(self._settings, f"{self._contract.product}-{name}")))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # A stream that waits for a broker ends minutes after it was told to.
            log_event("ending", product=self._contract.product, reason=_reason(error))
        self.stop()

    def stop(self) -> None:
        """End the queries, then give back their leases; safe to call again."""
        with self._stack:
            for query in self._streams.values():
                query.stop()

    def start(self, *, once: bool) -> None:
        """Start the streams; with `once` they read what is there and stop.

        Raises:
            StateError: the contract changed under the tables, see `refuse_changed`; nothing was started.
        """
        refuse_changed(Lake(self._settings), self._contract)
        pace = self._pace
        for name, module, seconds in (("bronze", bronze, pace.bronze_seconds), ("refine", refine, pace.refine_seconds)):
            if name in self._queries:
                self._streams[name] = module.start(
                    self.spark,
                    self._settings,
                    self._contract,
                    once=once,
                    max_rows=pace.max_rows,
                    trigger_seconds=seconds,
                    on_failure=lambda error, name=name: self._failures.setdefault(name, error),
                )
                log_event("started", query=name, product=self._contract.product, id=str(self._streams[name].id))

    def check(self) -> bool:
        """Whether a stream still runs; raises what killed one, and StateError when a lease was lost."""
        for lease in self._leases:
            # A stream without new records would not notice that its lake was made anew, or that another one runs.
            lease.check()
        for name, query in self._streams.items():
            if query.exception() is not None:
                cause = self._failures.get(name)
                if isinstance(cause, PulseIQError):
                    raise cause
                raise StateError(
                    f"{name} ended: {_reason(cause or query.exception())}",
                    hint="pulseiq status; when all is healthy start it again: it goes on where it stopped",
                ) from cause
        return any(query.isActive for query in self._streams.values())

    def drain(self, on_progress: Callable[[int], None] | None = None, *, timeout_seconds: float = 3600) -> None:
        """Wait until refine (and bronze) have read everything that Kafka holds now.

        Args:
            on_progress: called about once a second with the number of records still unread by refine.
            timeout_seconds: StateError when they have not caught up by then.
        """
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            active = self.check()
            behind = max((self.unread(name) for name in self._streams), default=0)
            if on_progress:
                on_progress(self.unread("refine") if "refine" in self._streams else behind)
            if behind == 0 and all(self._idle(query) for query in self._streams.values()):
                return
            if not active and behind:
                raise StateError(f"the streams ended with {behind} records unread", hint="start them again")
            time.sleep(0.5)
        raise StateError(f"the streams did not catch up in {timeout_seconds:.0f} s", hint="pulseiq status")

    def unread(self, name: str) -> int:
        """Records in Kafka that a stream has not committed yet."""
        progress = self._streams[name].lastProgress
        # The text of an offset is JSON only in the progress as a whole.
        done = (json.loads(progress.json)["sources"][0]["endOffset"] or {}) if progress is not None else {}
        return sum(
            max(0, end - done.get(topic, {}).get(str(partition), 0))
            for topic in (self._contract.topic, self._contract.redrive_topic)
            for partition, end in kafka.end_offsets(self._settings, topic).items()
        )

    def tick(self, now: datetime | None = None) -> detect.TickReport:
        """One evaluation of every unconfirmed window; who is to be told of what it found is told."""
        report = detect.tick(self.spark, self._settings, self._contract, now=now or datetime.now(UTC))
        lake = Lake(self._settings)
        send.run(self._settings, lake, self._contract, store.incidents(lake, self._contract.product), datetime.now(UTC))
        return report

    def run_forever(self, stopping: Callable[[], bool]) -> None:
        """Turn the detect loop until `stopping()`; returns then, raises when a stream dies.

        A broker that does not answer is waited for as long as the streams wait for it; each try is logged. The time of
        a file in the home says that it still turns, for probes that must not ask a Spark driver.
        """
        heartbeat = self._settings.home / "run" / f"{self._contract.product}.heartbeat"
        heartbeat.parent.mkdir(parents=True, exist_ok=True)
        next_tick = time.monotonic()
        while not stopping():
            self.check()
            heartbeat.touch()
            if "detect" in self._queries and time.monotonic() >= next_tick:
                try:
                    log_event("tick", product=self._contract.product, **vars(self.tick()))
                except kafka.UnreachableError as error:
                    log_event("waiting", product=self._contract.product, reason=error.what)
                next_tick = time.monotonic() + self._pace.tick_seconds
            time.sleep(0.5)

    @staticmethod
    def _idle(query: StreamingQuery) -> bool:
        status = query.status
        return not query.isActive or not status["isTriggerActive"] or not status["isDataAvailable"]


def _reason(error: BaseException | None) -> str:
    """What went wrong in one line: Python's own error by its type, Java's by what follows Py4J's opening line."""
    lines = str(error).splitlines() or [""]
    if lines[0].startswith("An error occurred while calling") and len(lines) > 1:
        return lines[1].removeprefix(": ")[:500]
    return f"{type(error).__name__}: {lines[0][:500]}"


@contextmanager
def stop_requested() -> Iterator[Callable[[], bool]]:
    """Within it, SIGTERM and SIGINT ask for an orderly end instead of killing the driver."""
    asked = False

    def ask(_signal: int, _frame: object) -> None:
        nonlocal asked
        asked = True

    before = {each: signal.signal(each, ask) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
