"""The cookbook, followed: the commands of its pages, in their order, as typed, on real services and two small products.

Told in order: each test goes on where the one before it stopped. What a page leaves to a person (a batch's number, a
time, an incident) is filled in; what is not run stands in `NOT_RUN`.
"""

from __future__ import annotations

import json
import random
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import yaml
from pyspark.sql import SparkSession
from typer.testing import CliRunner

from pipelines import contract as contracts
from pipelines.cli.main import build
from pipelines.errors import PulseIQError
from pipelines.jobs import detect_state
from pipelines.platform import kafka
from pipelines.platform import spark as sparks
from pipelines.platform.lake import Lake
from pipelines.platform.settings import Settings
from pipelines.replay import rebuild
from tests.documented import COOKBOOK, blocks, commands
from tests.products import Product, copy_of_shop
from tests.simulated_lake import small

NOT_RUN = {
    "pulseiq up": "the services are up; tests/integration/platform starts, breaks and ends its own",
    "pulseiq run live": "spoken of: the driver that runs",
    "pulseiq jobs start live run live PRODUCT": "the same on AWS; tests/integration/extension/test_job_runs.py",
    "pulseiq replay": "spoken of: what comes after one",
    "pulseiq replay PRODUCT": "the way out of a broken lake; add-a-metric runs the same command on a sound one",
    "pulseiq replay shop --from kafka": "the same",
}
# It would run until it is ended, in another terminal than the commands after it.
ENDED_BY = {("run", "live"): ("--once",)}
# A look at the data may find any of these; what each means is tested where it is decided.
ANSWERS = {
    ("now",): {0, 10, 11},
    ("quality", "audit"): {0, 8},
    # Room and tools are the machine's own affair.
    ("doctor",): {0, 5},
}
ELSEWHERE = {
    "go-to-aws.md",  # rehearsed by `make rehearse`; its jobs by tests/integration/extension/test_job_runs.py
    "keep-the-lake-across-restarts.md",  # lived by tests/integration/platform/test_storage.py, which ends services
}
FOLLOWED = {
    *("bring-your-own-events.md", "add-a-metric.md", "release-a-held-batch.md", "redrive-quarantined-events.md"),
    *("replay-a-day.md", "add-an-expectation.md", "at-3-am.md", "tune-sensitivity.md"),
}
ONLY_TWINS = {"duplicates": 0.05, "late": 0.0, "malformed": 0.0}
RENAMED = 30

Places = Mapping[str, str | Callable[[tuple[str, ...]], str]]


@dataclass
class Desk:
    """A person's folder with `contracts/` in it, and the products that the pages speak of."""

    settings: Settings
    folder: Path

    def pulseiq(self, *words: str) -> str:
        """Type a command, say yes where it asks, and return what it prints; fails where its answer is no answer."""
        try:
            done = CliRunner(env={"COLUMNS": "200"}).invoke(build(), list(words), input="y\n", catch_exceptions=False)
        except PulseIQError as error:
            pytest.fail(f"pulseiq {' '.join(words)}: {error}")
        allowed = next((codes for start, codes in ANSWERS.items() if words[: len(start)] == start), {0})
        assert done.exit_code in allowed, f"pulseiq {' '.join(words)}: exit code {done.exit_code}\n{done.output}"
        return done.stdout

    def follow(self, page: str, places: Places | None = None, first: Mapping[str, str] | None = None) -> dict[str, str]:
        """Every command of a page; `first` names one to type before another. Returns command as shown -> its output."""
        said = {}
        for shown in commands(COOKBOOK / page):
            if shown.words[0] != "pulseiq" or str(shown) in NOT_RUN:
                continue
            for each in (first or {}).get(str(shown), "").splitlines():
                self.pulseiq(*each.split())
            words = tuple(_filled(word, shown.words, places or {}) for word in shown.words[1:])
            said[str(shown)] = self.pulseiq(*words, *ENDED_BY.get(words[:2], ()))
        return said


def _filled(word: str, words: tuple[str, ...], places: Places) -> str:
    given = places.get(word, word)
    return given if isinstance(given, str) else given(words)


@pytest.fixture(scope="module")
def desk(services: Settings, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """`contracts/` holds a copy of the shop whose topics and tables no other test knows; commands use one session."""
    folder = tmp_path_factory.mktemp("desk")
    copy_of_shop(folder / "contracts" / "shop", f"shop_{uuid.uuid4().hex[:8]}")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        # By its module: the package has a function of that name.
        patched.setattr(sys.modules["pipelines.contract.load"], "FOLDER", folder / "contracts")
        for module in (sparks, rebuild):
            patched.setattr(module, "session", lambda *_arguments, **_options: spark)
        yield Desk(services, folder)


@pytest.fixture(scope="module")
def shop(desk: Desk, spark: SparkSession) -> Product:
    """Six hours of history, a bad release that the gate has held, and events of an app that renamed a field."""
    product = Product(desk.settings, contracts.load("shop"))
    desk.pulseiq("simulate", "shop", "--days", "0.25", "--events", "5000")
    product.run(spark, max_rows=10_000)
    product.send(4_000, seed=2, scenario="bad-release", faults=ONLY_TWINS)
    _renamed(product)
    product.run(spark, max_rows=1_500)
    return product


def _renamed(shop: Product) -> None:
    """Events of the app that the page on re-drives speaks of: a field under another name, and as text."""
    rows = shop.table("silver").query("event_type == 'user_action' and schema_version == 2").tail(RENAMED)
    assert len(rows) == RENAMED
    producer = kafka.producer(shop.settings)
    for n, row in enumerate(rows.to_dict("records")):
        names = ("event_type", "schema_version", "user_id", "session_id", "action", "error", *shop.contract.dimensions)
        event = {name: row[name] for name in names} | {"event_id": f"renamed-{n}", "latency": "120"}
        event |= {"event_time": row["event_time"].isoformat(), "app_version": "5.4.0"}
        producer.produce(shop.contract.topic, orjson.dumps(event), row["user_id"])
    assert producer.flush(30) == 0


def _rides(count: int, end: datetime) -> Iterator[str]:
    """Lines of a product that nobody has described yet; sales can be refunded, as the page on metrics says."""
    draw = random.Random(4)
    for i in range(count):
        yield json.dumps(
            {
                "id": f"{i:06d}",
                "at": (end - timedelta(seconds=2 * (count - i))).isoformat(),
                "type": draw.choice(["sale", "search"]),
                "city": draw.choice(["Lyon", "Porto", "Graz"]),
                "payment": {"cents": draw.randrange(400, 9_000)},
                "refunded": draw.random() < 0.1,
            }
        )


def _judged_now(window: timedelta) -> str:
    """A time in a window after the history of a baseline of this moment, and over by now."""
    moment = datetime.now(UTC) - timedelta(minutes=6)
    assert window == timedelta(minutes=5), "six minutes ago is within the ten that are not learnt from"
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def test_every_page_is_followed_and_what_is_left_out_is_on_one() -> None:
    assert {page.name for page in COOKBOOK.glob("*.md")} == FOLLOWED | ELSEWHERE
    shown = [each for page in FOLLOWED for each in commands(COOKBOOK / page)]
    assert NOT_RUN.keys() <= {str(each) for each in shown}
    assert {each.words[0] for each in shown} == {"pulseiq"}


def test_bring_your_own_events(desk: Desk) -> None:
    lines = list(_rides(5_400, datetime.now(UTC)))
    Path("events.ndjson").write_text("\n".join(lines) + "\n")
    said = desk.follow(
        "bring-your-own-events.md",
        {"TIME": f"{datetime.now(UTC) - timedelta(minutes=45):%Y-%m-%d %H:%M}"},
        # The driver in the other terminal has a turn between the baseline and the question.
        first={"pulseiq now rides": "run detect rides --once"},
    )
    assert "drafted from 5,400 events" in said["pulseiq new product rides --from events.ndjson"]
    assert said["pulseiq contract check contracts/rides contracts/rides"].strip().endswith("nothing changed")
    assert "5,400 records of events.ndjson" in said["pulseiq ingest rides events.ndjson"]
    # What the first baseline had learnt from is judged by the second, which ends before it.
    assert "no baseline" not in said["pulseiq now rides"]
    ledger = json.loads(desk.pulseiq("ledger", "rides", "--complete", "--output", "json"))
    assert ledger["events"] == ledger["classes"]["silver"] == 5_400


def test_add_a_metric(desk: Desk) -> None:
    (block,) = blocks(COOKBOOK / "add-a-metric.md", "yaml")
    file = Path("contracts/rides/metrics.yaml")
    measured = yaml.safe_load(file.read_text())
    file.write_text(yaml.safe_dump({**measured, "metrics": measured["metrics"] | yaml.safe_load(block)["metrics"]}))
    why = "pulseiq why rides refund_rate TIME"
    said = desk.follow(
        "add-a-metric.md",
        {"TIME": lambda _: _judged_now(timedelta(minutes=5))},
        first={why: "run detect rides --once"},
    )
    assert "not judged" not in said[why]
    assert "history until" in said[why]


def test_release_a_held_batch(desk: Desk, shop: Product) -> None:
    batches = shop.table("batches")
    first, second, *_ = sorted(batches.loc[batches["held"] > 0, "batch_id"])
    before = shop.ledger()
    said = desk.follow("release-a-held-batch.md", {"12": lambda words: str(second if "reject" in words else first)})
    assert str(first) in said["pulseiq quality held list shop"]
    ledger = shop.assert_whole()
    assert ledger.released > 0
    assert ledger.rejected > 0
    assert ledger.classes["held"] == before.classes["held"] - ledger.released - ledger.rejected


def test_redrive_quarantined_events(desk: Desk, shop: Product, spark: SparkSession) -> None:
    (block,) = blocks(COOKBOOK / "redrive-quarantined-events.md", "yaml")
    file = Path("renamed-latency.yaml")
    file.write_text(block)
    said = desk.follow("redrive-quarantined-events.md")
    dry = "pulseiq quarantine redrive shop --fix renamed-latency.yaml --dry-run"
    assert said[dry].startswith(f"{RENAMED} events would be sent")
    # "Without --dry-run they go", and "run twice": the same command again.
    assert desk.pulseiq("quarantine", "redrive", "shop", "--fix", str(file)).startswith(f"{RENAMED} events were sent")
    assert desk.pulseiq("quarantine", "redrive", "shop", "--fix", str(file)).startswith("0 events were sent")
    shop.run(spark)
    assert shop.assert_whole().redriven == RENAMED


def test_replay_a_day(desk: Desk, shop: Product) -> None:
    day = shop.table("silver")["event_time"].max().date()
    before = shop.gold()
    said = desk.follow("replay-a-day.md", {"2026-11-20": f"{day}", "2026-11-21": f"{day + timedelta(days=1)}"})
    assert len(said) == 3
    assert shop.gold() == before
    shop.assert_whole()


def test_add_an_expectation(desk: Desk, shop: Product) -> None:
    """The shop's own contract has both of the page's examples."""
    checks, expectations = (yaml.safe_load(each) for each in blocks(COOKBOOK / "add-an-expectation.md", "yaml"))
    assert {each["name"] for each in checks["checks"]} <= {each.name for each in shop.contract.checks}
    names = {each["name"] for each in expectations["expectations"]}
    assert names <= {each.name for each in shop.contract.expectations}
    desk.follow("add-an-expectation.md", {"PRODUCT": "shop"})
    assert names <= set(shop.table("audit_results")["expectation"])


def test_at_3_am(desk: Desk, shop: Product, tmp_path: Path) -> None:
    lake = Lake(desk.settings)
    incident = small(tmp_path).incidents[0].model_copy(update={"product": shop.contract.product})
    detect_state.store_incidents(lake, shop.contract, [incident])
    said = desk.follow("at-3-am.md", {"PRODUCT": "shop", "ID": incident.incident_id})
    assert incident.incident_id in said["pulseiq incidents show PRODUCT ID --events 20"]
    assert "days of history" in said["pulseiq run baseline PRODUCT"]


def test_tune_sensitivity(desk: Desk, shop: Product) -> None:
    why = "pulseiq why PRODUCT SERIES TIME"
    said = desk.follow(
        "tune-sensitivity.md",
        {"PRODUCT": "shop", "SERIES": "traffic", "TIME": lambda _: _judged_now(shop.contract.window)},
        first={why: "run detect shop --once"},
    )
    assert "not judged" not in said[why]
