"""What people read of an incident, and what machines read."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from pathlib import Path

import pytest

from pipelines import contract as contracts
from pipelines.alerts import message as messages
from pipelines.errors import ContractError
from pipelines.incidents import Incident
from pipelines.incidents.record import CauseLine, SeverityLine
from pipelines.platform import notify

AT = datetime(2026, 11, 23, 10, 30)
SHOP = contracts.load("shop")


def incident(name: str = "i1", level: str = "SEV2", device: str = "ios") -> Incident:
    cause = CauseLine(
        elements={"device": device}, actual=5, expected=9, change=-0.4, share=1, consistency="", confident=True
    )
    return Incident.model_validate(
        {
            "incident_id": name, "product": "shop", "verdict": "changed behaviour", "verdict_evidence": (),
            "metric": "traffic", "title": "Traffic", "direction": "down", "change": -0.2, "since": AT, "until": AT,
            "open": True, "state": "confirmed", "causes": (cause,), "candidates": (), "also_moved": (),
            "p_value": 1e-4, "why": (), "quality": (), "rate_mix": None, "next_steps": ("look at the release",),
            "severity": SeverityLine(level=level, score=0.5, inputs={}, words={}), "detector_version": "1",
        }
    )  # fmt: skip


def test_a_message_says_what_where_since_when_how_sure_what_to_check_and_links() -> None:
    found = messages.of_incident(incident(), "new", AT, "https://watch.example/i/{incident_id}")
    assert found.subject == "[SEV2] shop: Traffic -40% in device=ios (-20% in all)"
    assert found.lines == (
        "SEV2 CHANGED BEHAVIOUR: Traffic -40% in device=ios (-20% in all)",
        "where device = ios",
        "since 2026-11-23 10:30 UTC, ongoing",
        "sure confirmed, by chance 1 in 10,000",
        "check look at the release",
        "more https://watch.example/i/i1",
    )


def test_without_a_link_the_command_is_named() -> None:
    assert messages.of_incident(incident(), "new", AT, None).lines[-1] == "more pulseiq incidents show shop i1"


def test_values_out_of_events_stay_text_in_every_body() -> None:
    """A segment's name comes from whoever sends events."""
    nasty = 'x", "link": "https://evil.example"}\n<!channel> `code` \u202egnp\x07'
    message = messages.of_incident(incident(device=nasty), "new", AT, None)
    assert "\n" not in message.subject
    assert all(each.isprintable() for each in message.lines)
    plain = json.loads(messages.body(message, "json", SHOP))
    assert plain["link"] == ""
    assert nasty.splitlines()[0] in plain["text"]
    slack = messages.body(message, "slack", SHOP)
    said = json.loads(slack)["blocks"][0]["text"]["text"]
    assert "<!channel>" not in slack
    assert "&lt;!channel&gt;" in said
    assert said.count("`") == 6


def test_a_contract_brings_its_own_body(tmp_path: Path) -> None:
    (tmp_path / "pager.json.j2").write_text('{"summary": {{ message.subject | tojson }}}')
    (tmp_path / "broken.json.j2").write_text('{"summary": {{ message.subject }}}')
    contract = SHOP.model_copy(update={"folder": str(tmp_path)})
    message = messages.of_incident(incident(), "new", AT, None)
    assert json.loads(messages.body(message, "pager", contract)) == {"summary": message.subject}
    for name in ("broken", "missing"):
        with pytest.raises(ContractError, match=f"the body {name}.json.j2"):
            messages.body(message, name, contract)


def test_a_receiver_can_check_who_signed() -> None:
    body = b'{"kind": "new"}'
    expected = hmac.new(b"key", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert notify.signature("key", body, 1_700_000_000) == f"t=1700000000,v1={expected}"
