"""An EMR Serverless application: what is kept of it, its forms, and what its state allows."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from localstack_lakehouse.calls import Answer, AwsError, given

KEPT = (
    "name",
    "architecture",
    "autoStartConfiguration",
    "autoStopConfiguration",
    "identityCenterConfiguration",
    "imageConfiguration",
    "initialCapacity",
    "interactiveConfiguration",
    "maximumCapacity",
    "monitoringConfiguration",
    "networkConfiguration",
    "runtimeConfiguration",
    "schedulerConfiguration",
    "workerTypeSpecifications",
)
_RELEASE = re.compile(r"emr-(spark-)?\d{1,2}\.\d{1,2}\.\d{1,2}(-latest|-\d{8})?")
IDLE_MINUTES = 15


@dataclass
class Application:
    """One application. `asked` holds the members that request and answer share."""

    identifier: str
    arn: str
    kind: str
    release: str
    asked: Answer
    tags: dict[str, str]
    created: datetime
    updated: datetime
    used: datetime
    state: str = "CREATED"

    def move(self, state: str) -> None:
        """Take another state now."""
        self.state = state
        self.updated = self.used = datetime.now(UTC)

    def summary(self) -> Answer:
        """ApplicationSummary."""
        return {
            "id": self.identifier,
            "arn": self.arn,
            "releaseLabel": self.release,
            "type": self.kind,
            "state": self.state,
            "createdAt": self.created,
            "updatedAt": self.updated,
            **given(self.asked, ("name", "architecture")),
        }

    def form(self) -> Answer:
        """Application."""
        told = self.summary()
        told["applicationId"] = told.pop("id")
        return {**told, **copy.deepcopy(self.asked), "tags": dict(self.tags)}


def invalid(message: str) -> AwsError:
    """A well-formed request that cannot be met."""
    return AwsError("ValidationException", message, 400)


def check_release(kind: str, release: str) -> None:
    """Refuse an engine or a label that EMR Serverless does not have."""
    if kind not in ("Spark", "Hive"):
        raise invalid(f"Unsupported engine {kind}")
    if not _RELEASE.fullmatch(release) or (kind == "Hive" and release.startswith("emr-spark-")):
        message = f"Type '{kind.upper()}' is not supported for release label '{release}'"
        raise invalid(f"{message} or release label does not exist")


def require(application: Application, *states: str) -> None:
    """Refuse what cannot be done in the application's state."""
    if application.state not in states:
        allowed = ", ".join(states)
        raise invalid(
            f"Application {application.identifier} must be in one of the following statuses [{allowed}]. "
            f"Current status: {application.state}"
        )
