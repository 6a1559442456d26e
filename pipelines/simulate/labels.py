"""Labels: the truth about the incidents of a scenario, for scoring. Detection never reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.errors import UsageError
from pipelines.simulate.scenario import Scenario, resolve


@dataclass(frozen=True)
class Label:
    """The truth about one incident, for scoring. Detection never reads it."""

    id: str
    product: str
    scenario: str
    seed: int
    kind: str
    title: str
    start: datetime
    end: datetime
    metric: str
    also: tuple[str, ...]
    direction: str
    cause: Mapping[str, str]
    verdict: str

    def to_json(self) -> str:
        """One line of the labels file."""
        record = {name: getattr(self, name) for name in self.__dataclass_fields__}
        record |= {"start": _rfc3339(self.start), "end": _rfc3339(self.end), "cause": dict(self.cause)}
        return json.dumps(record, ensure_ascii=False)


def of_scenario(
    scenario: Scenario, product: str, seed: int, start: datetime | None, end: datetime | None
) -> tuple[Label, ...]:
    """The truth about each incident of the scenario."""
    found = []
    for incident in scenario.incidents:
        first, last = resolve(incident.start, start, end), resolve(incident.end, start, end)
        cause = {name: value for name, value in incident.where.items() if value is not None}
        identity = json.dumps([product, scenario.name, seed, first.isoformat(), incident.kind, sorted(cause.items())])
        found.append(
            Label(
                id=hashlib.sha256(identity.encode()).hexdigest()[:12],
                product=product,
                scenario=scenario.name,
                seed=seed,
                kind=incident.kind,
                title=incident.title,
                start=first,
                end=last,
                metric=incident.metric,
                also=incident.also,
                direction=incident.direction,
                cause=cause,
                verdict=incident.verdict,
            )
        )
    return tuple(found)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def write(labels: Iterable[Label], path: Path) -> None:
    """One JSON object per line; an empty file says that nothing was injected."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(label.to_json() + "\n" for label in labels), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}", hint="--labels another file") from None
