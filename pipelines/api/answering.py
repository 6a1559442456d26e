"""The few things that the web app does beyond reading: keeping what a person says, and proving the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal

from pipelines.api import incident as pages_of
from pipelines.api.model import Said
from pipelines.api.reading import Reader
from pipelines.errors import UsageError
from pipelines.incidents import responses
from pipelines.incidents.record import Incident
from pipelines.incidents.responses import Action, Response
from pipelines.ledger.model import Ledger

Scope = Literal["metric", "segment"]


class Answering:
    """Answers that need more than the lake's tables; `audit` proves the ledger anew."""

    def __init__(self, reader: Reader, audit: Callable[[], Ledger]) -> None:
        self.reader, self._audit = reader, audit

    def say(
        self,
        found: Incident,
        action: Action,
        actor: str,
        note: str,
        scope: Scope = "metric",
        hours: float | None = None,
    ) -> Said:
        """Keep a person's word on an incident.

        Raises:
            UsageError: nobody says it, or a false alarm or a mute comes without a reason.
        """
        actor, note = _one_line(actor), note.strip()
        if not actor:
            raise UsageError("somebody must say it", hint="give your name")
        if not note and action in ("note", "false alarm", "mute"):
            raise UsageError(f"'{action}' needs a note that says why", hint="write the reason in a few words")
        at = datetime.now(UTC)
        mute = action == "mute"
        tick = self.reader.tick()
        since = tick.data_until if mute and tick is not None and tick.data_until is not None else at
        word = Response(
            at=at,
            incident_id=found.incident_id,
            action=action,
            actor=actor,
            note=note,
            mutes=pages_of.mutes_of(self.reader.contract, found, scope) if mute else (),
            since=since if mute else None,
            until=since + timedelta(hours=hours) if mute and hours is not None else None,
        )
        responses.keep(self.reader.lake, self.reader.product, word)
        return Said(at=at, action=action, actor=actor, note=note, mutes=word.mutes, until=word.until)

    def ledger(self) -> Ledger:
        """The ledger as it is now; proven again only when refine has written a batch since."""
        reader = self.reader
        tables = ("batches", "command_log", "bronze")
        return reader.lake.kept((reader.product, "ledger"), reader.product, tables, self._audit)


def _one_line(text: str) -> str:
    return " ".join(text.split())
