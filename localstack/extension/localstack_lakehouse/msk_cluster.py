"""One MSK cluster and the forms in which the two versions of the API tell it."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localstack_lakehouse.calls import Answer, AwsError, Request, given, page

# Operation -> what MSK calls it in its list of operations.
OPERATIONS = {
    "UpdateBrokerCount": "INCREASE_BROKER_COUNT",
    "UpdateBrokerType": "UPDATE_BROKER_TYPE",
    "UpdateBrokerStorage": "UPDATE_BROKER_STORAGE",
    "UpdateConnectivity": "UPDATE_CONNECTIVITY",
    "UpdateMonitoring": "UPDATE_MONITORING",
    "UpdateSecurity": "UPDATE_SECURITY",
    "UpdateStorage": "UPDATE_STORAGE",
    "UpdateClusterConfiguration": "UPDATE_CLUSTER_CONFIGURATION",
    "UpdateClusterKafkaVersion": "UPDATE_CLUSTER_KAFKA_VERSION",
    "RebootBroker": "REBOOT_NODE",
}

_PROVISIONED = (
    "BrokerNodeGroupInfo",
    "ClientAuthentication",
    "EncryptionInfo",
    "EnhancedMonitoring",
    "OpenMonitoring",
    "LoggingInfo",
    "NumberOfBrokerNodes",
    "StorageMode",
)


@dataclass
class Cluster:
    """One cluster. `asked` is Provisioned or Serverless of the v2 API, `software` its CurrentBrokerSoftwareInfo."""

    arn: str
    name: str
    kind: str  # PROVISIONED or SERVERLESS
    asked: Answer
    software: Answer
    tags: dict[str, str]
    created: datetime
    version: str
    policy: tuple[str, str] | None = None
    secrets: list[str] = field(default_factory=list)
    operations: list[Answer] = field(default_factory=list)


def bad_request(message: str) -> AwsError:
    """The request is well-formed and cannot be met."""
    return AwsError("BadRequestException", message, 400)


def not_found(arn: str) -> AwsError:
    """No such cluster or operation."""
    return AwsError("NotFoundException", f"The requested resource doesn't exist: {arn}", 404)


def paged(member: str, found: Sequence[Any], request: Request) -> Answer:
    """The page that the request asks for."""
    items, token = page(found, request.get("MaxResults"), request.get("NextToken"), bad_request)
    return {member: items} | ({"NextToken": token} if token else {})


def new_version() -> str:
    """Every change gives a cluster another one, in MSK's form."""
    return "K" + uuid.uuid4().hex[:13].upper()


def check_current(cluster: Cluster, version: str) -> None:
    """Refuse a change that was made for an older version of the cluster."""
    if version != cluster.version:
        raise bad_request(f"The request's current version '{version}' is not the cluster's, {cluster.version}.")


def with_defaults(asked: Request) -> Answer:
    """What MSK fills in where a request for a provisioned cluster is silent."""
    filled = copy.deepcopy(given(asked, _PROVISIONED))
    nodes = filled["BrokerNodeGroupInfo"]
    nodes.setdefault("BrokerAZDistribution", "DEFAULT")
    nodes.setdefault("StorageInfo", {"EbsStorageInfo": {"VolumeSize": 1000}})
    nodes.setdefault("ConnectivityInfo", {"PublicAccess": {"Type": "DISABLED"}})
    transit = filled.setdefault("EncryptionInfo", {}).setdefault("EncryptionInTransit", {})
    transit.setdefault("ClientBroker", "TLS")
    transit.setdefault("InCluster", True)
    filled.setdefault("EnhancedMonitoring", "DEFAULT")
    filled.setdefault("StorageMode", "LOCAL")
    return filled


def v1(cluster: Cluster) -> Answer:
    """ClusterInfo of DescribeCluster."""
    return {
        **_common(cluster),
        **given(cluster.asked, _PROVISIONED),
        "CurrentBrokerSoftwareInfo": dict(cluster.software),
        "CustomerActionStatus": "NONE",
    }


def v2(cluster: Cluster) -> Answer:
    """ClusterInfo of DescribeClusterV2."""
    info = {**_common(cluster), "ClusterType": cluster.kind}
    if cluster.kind == "SERVERLESS":
        return info | {"Serverless": given(cluster.asked, ("VpcConfigs", "ClientAuthentication"))}
    provisioned = given(cluster.asked, _PROVISIONED)
    provisioned |= {"CurrentBrokerSoftwareInfo": dict(cluster.software), "CustomerActionStatus": "NONE"}
    return info | {"Provisioned": provisioned}


def _common(cluster: Cluster) -> Answer:
    return {
        "ClusterArn": cluster.arn,
        "ClusterName": cluster.name,
        "CreationTime": cluster.created,
        "CurrentVersion": cluster.version,
        "State": "ACTIVE",
        "Tags": dict(cluster.tags),
    }


def listeners(cluster: Cluster) -> Iterator[str]:
    """Endings of the keys that GetBootstrapBrokers has for such a cluster."""
    if cluster.kind == "SERVERLESS":
        yield "SaslIam"
        return
    client_broker = cluster.asked["EncryptionInfo"]["EncryptionInTransit"]["ClientBroker"]
    authentication = cluster.asked.get("ClientAuthentication", {})
    sasl = authentication.get("Sasl", {})
    iam, scram = (sasl.get(kind, {}).get("Enabled", False) for kind in ("Iam", "Scram"))
    open_to_all = authentication.get("Unauthenticated", {}).get("Enabled", not (iam or scram))
    if client_broker != "TLS":
        yield ""
    if client_broker != "PLAINTEXT" and (open_to_all or authentication.get("Tls", {}).get("Enabled", False)):
        yield "Tls"
    if scram:
        yield "SaslScram"
    if iam:
        yield "SaslIam"


def change_volumes(cluster: Cluster, request: Request) -> None:
    """UpdateBrokerStorage: MSK gives every broker the same volume."""
    for volume in request["TargetBrokerEBSVolumeInfo"]:
        _set_volume(cluster, volume)


def change_storage(cluster: Cluster, request: Request) -> None:
    """UpdateStorage."""
    cluster.asked.update(given(request, ["StorageMode"]))
    _set_volume(cluster, request)


def _set_volume(cluster: Cluster, wanted: Request) -> None:
    volume = cluster.asked["BrokerNodeGroupInfo"]["StorageInfo"].setdefault("EbsStorageInfo", {})
    volume.update(given(wanted, ["ProvisionedThroughput"]))
    if "VolumeSizeGB" in wanted:
        volume["VolumeSize"] = wanted["VolumeSizeGB"]


def mutable(cluster: Cluster) -> Answer:
    """MutableClusterInfo: what an operation's source and target show."""
    asked = cluster.asked
    info = given(asked, [name for name in _PROVISIONED if name != "BrokerNodeGroupInfo"])
    info |= given(asked["BrokerNodeGroupInfo"], ["InstanceType", "ConnectivityInfo"])
    info |= given(cluster.software, ["KafkaVersion"])
    if "ConfigurationArn" in cluster.software:
        revision = cluster.software["ConfigurationRevision"]
        info["ConfigurationInfo"] = {"Arn": cluster.software["ConfigurationArn"], "Revision": revision}
    return copy.deepcopy(info)


def operation_v1(operation: Answer) -> Answer:
    """ClusterOperationInfo of the first API."""
    return {**operation, "OperationState": "UPDATE_COMPLETE"}


def operation_summary(operation: Answer) -> Answer:
    """ClusterOperationV2Summary."""
    return {
        **given(operation, ("ClusterArn", "OperationArn", "OperationType", "EndTime")),
        "ClusterType": "PROVISIONED",
        "StartTime": operation["CreationTime"],
        "OperationState": "UPDATE_COMPLETE",
    }


def operation_v2(operation: Answer) -> Answer:
    """ClusterOperationV2."""
    change = given(operation, ("SourceClusterInfo", "TargetClusterInfo"))
    return operation_summary(operation) | {"Provisioned": change}
