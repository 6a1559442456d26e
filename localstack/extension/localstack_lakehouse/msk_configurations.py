"""MSK's configurations and the Kafka versions that it offers; moto has neither."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from localstack_lakehouse.calls import Answer, Call, Handler, Request
from localstack_lakehouse.msk_cluster import bad_request, paged

# Of MSK's list of supported versions, 2025-11; newest last.
_VERSIONS = (
    "2.8.1",
    "3.4.0",
    "3.5.1",
    "3.6.0",
    "3.7.x",
    "3.7.x.kraft",
    "3.8.x",
    "3.8.x.kraft",
    "3.9.x",
    "3.9.x.kraft",
    "4.0.x.kraft",
    "4.1.x.kraft",
)


def check_version(version: str) -> str:
    """The version; refused where MSK does not offer it."""
    if version not in _VERSIONS:
        raise bad_request(f"Unsupported KafkaVersion [{version}]. Valid values: [{', '.join(_VERSIONS)}]")
    return version


def listed_versions() -> list[Answer]:
    """KafkaVersion of each."""
    return [{"Version": version, "Status": "ACTIVE"} for version in _VERSIONS]


def compatible_versions(source: str | None) -> list[Answer]:
    """CompatibleKafkaVersion of one version, or of all."""
    sources = _VERSIONS if source is None else (source,)
    return [{"SourceVersion": one, "TargetVersions": _targets(one)} for one in sources]


def _targets(source: str) -> list[str]:
    """Newer ones whose metadata is kept in the same way: MSK cannot leave ZooKeeper in place."""
    newer = _VERSIONS[_VERSIONS.index(source) + 1 :]
    return [version for version in newer if version.endswith(".kraft") == source.endswith(".kraft")]


@dataclass(frozen=True)
class Revision:
    """One state of a configuration; numbers begin at 1."""

    number: int
    created: datetime
    description: str
    properties: bytes

    def form(self) -> Answer:
        """ConfigurationRevision."""
        return {"CreationTime": self.created, "Description": self.description, "Revision": self.number}


@dataclass
class Configuration:
    """A name and its revisions, oldest first."""

    arn: str
    name: str
    description: str
    versions: list[str]
    revisions: list[Revision] = field(default_factory=list)

    def add(self, description: str, properties: bytes) -> Revision:
        """Append a revision."""
        revision = Revision(len(self.revisions) + 1, datetime.now(UTC), description, properties)
        self.revisions.append(revision)
        return revision

    def form(self) -> Answer:
        """Configuration."""
        return {
            "Arn": self.arn,
            "CreationTime": self.revisions[0].created,
            "Description": self.description,
            "KafkaVersions": list(self.versions),
            "LatestRevision": self.revisions[-1].form(),
            "Name": self.name,
            "State": "ACTIVE",
        }


class Configurations:
    """Configurations of all accounts and regions."""

    def __init__(self) -> None:
        self._known: dict[str, Configuration] = {}

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        return {
            "CreateConfiguration": self._create,
            "DescribeConfiguration": lambda call, r: self._found(r["Arn"]).form(),
            "DescribeConfigurationRevision": self._describe_revision,
            "UpdateConfiguration": self._update,
            "ListConfigurations": self._list,
            "ListConfigurationRevisions": self._list_revisions,
            "DeleteConfiguration": self._delete,
        }

    def revision(self, arn: str, number: int) -> Revision:
        """One revision; refused where there is none."""
        revisions = self._found(arn).revisions
        if not 1 <= number <= len(revisions):
            raise bad_request(
                f"Configuration revision {number} does not exist: the last one of {arn} is {len(revisions)}."
            )
        return revisions[number - 1]

    def _found(self, arn: str) -> Configuration:
        if arn not in self._known:
            # Terraform's provider knows a missing configuration by this sentence.
            raise bad_request(f"Configuration ARN does not exist: {arn}")
        return self._known[arn]

    def _of(self, call: Call) -> list[Configuration]:
        prefix = call.arn("kafka", "configuration/")
        return sorted((one for arn, one in self._known.items() if arn.startswith(prefix)), key=lambda one: one.name)

    def _create(self, call: Call, request: Request) -> Answer:
        name = request["Name"]
        if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z-]{0,254}", name):
            raise bad_request(f"The configuration name '{name}' is not letters, digits and hyphens.")
        if any(one.name == name for one in self._of(call)):
            raise bad_request(f"A configuration with the name '{name}' already exists.")
        arn = call.arn("kafka", f"configuration/{name}/{uuid.uuid4()}-1")
        versions = [check_version(version) for version in request.get("KafkaVersions", [])]
        description = request.get("Description") or ""
        made = Configuration(arn, name, description, versions)
        made.add(description, _properties(request))
        self._known[arn] = made
        form = made.form()
        return {member: form[member] for member in ("Arn", "CreationTime", "LatestRevision", "Name", "State")}

    def _describe_revision(self, call: Call, request: Request) -> Answer:
        revision = self.revision(request["Arn"], request["Revision"])
        return {**revision.form(), "Arn": request["Arn"], "ServerProperties": revision.properties}

    def _update(self, call: Call, request: Request) -> Answer:
        configuration = self._found(request["Arn"])
        revision = configuration.add(request.get("Description") or "", _properties(request))
        return {"Arn": configuration.arn, "LatestRevision": revision.form()}

    def _list(self, call: Call, request: Request) -> Answer:
        return paged("Configurations", [one.form() for one in self._of(call)], request)

    def _list_revisions(self, call: Call, request: Request) -> Answer:
        return paged("Revisions", [one.form() for one in self._found(request["Arn"]).revisions], request)

    def _delete(self, call: Call, request: Request) -> Answer:
        del self._known[self._found(request["Arn"]).arn]
        return {"Arn": request["Arn"], "State": "DELETING"}


def _properties(request: Request) -> bytes:
    """The server properties; refused where a line is none."""
    given = request["ServerProperties"]
    content = given.encode() if isinstance(given, str) else bytes(given)
    for line in content.decode("utf-8", errors="replace").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#") and "=" not in stripped:
            raise bad_request(f"The server property '{stripped}' is not key=value.")
    return content
