"""What a driver says of a stream that died: the reason itself, in one line."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines import contract as contracts
from pipelines.errors import ServiceError, StateError
from pipelines.jobs.live import Live, Pace
from pipelines.platform import kafka
from tests.simulated_lake import settings_of

JAVA = "An error occurred while calling o83.save.\n: java.net.ConnectException: refused\n\tat java.base/Net.connect"


class Report:
    """What a turn of the loop found."""

    def __init__(self) -> None:
        self.state = "normal"


class Ended:
    """A query that ended with an exception, as Spark tells of it: a traceback as text."""

    isActive = False

    def exception(self) -> Exception:
        return RuntimeError("An exception was raised by the Python Proxy. Return Message: Traceback\n  File ...")


def live(failure: BaseException | None) -> Live:
    found = Live(None, None, contracts.load("shop"))  # type: ignore[arg-type]
    streams: dict[str, Any] = {"refine": Ended()}
    found._streams = streams
    if failure is not None:
        found._failures["refine"] = failure
    return found


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ValueError("offset 7 is gone\nand more"), "refine ended: ValueError: offset 7 is gone"),
        (RuntimeError(JAVA), "refine ended: java.net.ConnectException: refused"),
        (None, "refine ended: RuntimeError: An exception was raised by the Python Proxy"),
    ],
)
def test_a_dead_stream_is_named_with_the_first_line_of_its_reason(failure: BaseException | None, words: str) -> None:
    with pytest.raises(StateError) as raised:
        live(failure).check()
    assert str(raised.value).startswith(words)
    assert "\n" not in str(raised.value)
    assert "next: pulseiq status" in str(raised.value)


def test_an_error_of_our_own_is_handed_on_as_it_is() -> None:
    failure = ServiceError("S3 does not answer", hint="pulseiq status")
    with pytest.raises(ServiceError) as raised:
        live(failure).check()
    assert raised.value is failure


def test_a_broker_that_does_not_answer_is_waited_for_and_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers: list[object] = [kafka.UnreachableError("Kafka at there does not answer", hint="pulseiq up"), Report()]

    class Ticking(Live):
        def tick(self, now: datetime | None = None) -> Any:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    pace = Pace(tick_seconds=0.0)
    running = Ticking(None, settings_of(tmp_path), contracts.load("shop"), ("detect",), pace)  # type: ignore[arg-type]
    running.run_forever(stopping=lambda: not answers)
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["event"], each.get("reason", each.get("state"))) for each in told] == [
        ("waiting", "Kafka at there does not answer"),
        ("tick", "normal"),
    ]


def test_another_failure_of_the_loop_ends_it(tmp_path: Path) -> None:
    class Failing(Live):
        def tick(self, now: datetime | None = None) -> Any:
            raise ServiceError("S3 does not answer", hint="pulseiq status")

    running = Failing(None, settings_of(tmp_path), contracts.load("shop"), ("detect",))  # type: ignore[arg-type]
    with pytest.raises(ServiceError, match="S3 does not answer"):
        running.run_forever(stopping=lambda: False)
