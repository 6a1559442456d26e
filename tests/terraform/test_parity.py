"""The differences between this machine and AWS are one reviewed list, and the list is true."""

from __future__ import annotations

import pytest

from pipelines.platform import settings as configuration
from pipelines.platform.settings import Settings
from tests.terraform import parity

NEXT = "pulseiq up, then python -m tests.terraform.parity"


@pytest.mark.terraform
@pytest.mark.integration
@pytest.mark.parametrize("environment", parity.ENVIRONMENTS)
def test_the_committed_inventory_is_what_is_planned(services: Settings, environment: str) -> None:
    planned = parity.planned(configuration.local_endpoints(), environment)
    assert parity.rendered(planned) == parity.rendered(parity.committed(environment)), NEXT


def test_every_difference_has_its_reason_and_every_reason_a_difference() -> None:
    found = parity.differences(*map(parity.committed, parity.ENVIRONMENTS))
    listed = parity.reasons()
    assert [each for each in found if not any(reason.explains(each) for reason in listed)] == []
    assert [reason for reason in listed if not any(reason.explains(each) for each in found)] == []


def test_the_page_shows_the_list() -> None:
    assert parity.PAGE.read_text(encoding="utf-8") == parity.page(*map(parity.committed, parity.ENVIRONMENTS)), NEXT


def test_a_resource_without_a_counterpart_and_a_changed_argument_are_differences() -> None:
    local = {"a.one": {"size": 1, "same": True}, "a.mine": {}}
    aws = {"a.one": {"size": 2, "same": True}, "a.theirs": {}}
    assert parity.differences(local, aws) == [
        parity.Difference("a.mine", "only local"),
        parity.Difference("a.one", "size", "`1`", "`2`"),
        parity.Difference("a.theirs", "only aws"),
    ]
