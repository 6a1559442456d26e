"""MSK: clusters whose bootstrap brokers are the one Kafka that runs on this machine.

A cluster is a record of what was asked for; creating, changing or deleting one leaves the running broker as it is.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from localstack_lakehouse import msk_cluster as clusters
from localstack_lakehouse.calls import Answer, AwsError, Call, Handler, Request, given
from localstack_lakehouse.msk_cluster import Cluster, bad_request, not_found, paged
from localstack_lakehouse.msk_configurations import Configurations, check_version, compatible_versions, listed_versions
from localstack_lakehouse.settings import Settings


class Msk:
    """The state of all accounts and regions, and what each operation does with it."""

    def __init__(self, settings: Settings) -> None:
        self._brokers = settings.brokers
        self._clusters: dict[str, Cluster] = {}
        self._configurations = Configurations()

    def handlers(self) -> dict[str, Handler]:
        """Operation -> handler."""
        changes: dict[str, Callable[[Cluster, Request], None]] = {
            "UpdateBrokerCount": lambda c, r: c.asked.update(NumberOfBrokerNodes=r["TargetNumberOfBrokerNodes"]),
            "UpdateBrokerType": lambda c, r: c.asked["BrokerNodeGroupInfo"].update(
                InstanceType=r["TargetInstanceType"]
            ),
            "UpdateBrokerStorage": clusters.change_volumes,
            "UpdateConnectivity": lambda c, r: c.asked["BrokerNodeGroupInfo"].update(given(r, ["ConnectivityInfo"])),
            "UpdateMonitoring": lambda c, r: c.asked.update(
                given(r, ["EnhancedMonitoring", "OpenMonitoring", "LoggingInfo"])
            ),
            "UpdateSecurity": lambda c, r: c.asked.update(given(r, ["ClientAuthentication", "EncryptionInfo"])),
            "UpdateStorage": clusters.change_storage,
            "UpdateClusterConfiguration": lambda c, r: c.software.update(self._software(r)),
            "UpdateClusterKafkaVersion": lambda c, r: c.software.update(self._software(r)),
            "RebootBroker": lambda c, r: None,
        }
        return {
            **self._configurations.handlers(),
            **{name: self._changing(name, change) for name, change in changes.items()},
            "CreateCluster": self._create,
            "CreateClusterV2": self._create_v2,
            "DescribeCluster": lambda call, r: {"ClusterInfo": clusters.v1(self._provisioned(r["ClusterArn"]))},
            "DescribeClusterV2": lambda call, r: {"ClusterInfo": clusters.v2(self._found(r["ClusterArn"]))},
            "ListClusters": lambda call, r: self._listed(call, r, "PROVISIONED", clusters.v1),
            "ListClustersV2": lambda call, r: self._listed(call, r, r.get("ClusterTypeFilter"), clusters.v2),
            "DeleteCluster": self._delete,
            "GetBootstrapBrokers": self._bootstrap,
            "ListNodes": self._nodes,
            "DescribeClusterOperation": lambda call, r: {
                "ClusterOperationInfo": clusters.operation_v1(self._operation(r))
            },
            "DescribeClusterOperationV2": lambda call, r: {
                "ClusterOperationInfo": clusters.operation_v2(self._operation(r))
            },
            "ListClusterOperations": lambda call, r: self._operations(r, clusters.operation_v1),
            "ListClusterOperationsV2": lambda call, r: self._operations(r, clusters.operation_summary),
            "ListKafkaVersions": lambda call, r: paged("KafkaVersions", listed_versions(), r),
            "GetCompatibleKafkaVersions": self._compatible,
            "PutClusterPolicy": self._put_policy,
            "GetClusterPolicy": self._get_policy,
            "DeleteClusterPolicy": self._delete_policy,
            "BatchAssociateScramSecret": self._associate,
            "BatchDisassociateScramSecret": self._disassociate,
            "ListScramSecrets": self._scram_secrets,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": lambda call, r: {"Tags": dict(self._tags(r["ResourceArn"]))},
        }

    def _create(self, call: Call, request: Request) -> Answer:
        cluster = self._new(call, request, "PROVISIONED", request)
        return {"ClusterArn": cluster.arn, "ClusterName": cluster.name, "State": "CREATING"}

    def _create_v2(self, call: Call, request: Request) -> Answer:
        kinds = [kind for kind in ("Provisioned", "Serverless") if kind in request]
        if len(kinds) != 1:
            raise bad_request("exactly one of provisioned and serverless must be given")
        cluster = self._new(call, request, kinds[0].upper(), request[kinds[0]])
        return {
            "ClusterArn": cluster.arn,
            "ClusterName": cluster.name,
            "State": "CREATING",
            "ClusterType": cluster.kind,
        }

    def _new(self, call: Call, request: Request, kind: str, asked: Request) -> Cluster:
        name = request["ClusterName"]
        if any(cluster.name == name for cluster in self._of(call)):
            raise AwsError("ConflictException", f"A cluster with the name '{name}' already exists.", 409)
        software: Answer = {}
        if kind == "PROVISIONED":
            subnets = len(asked["BrokerNodeGroupInfo"]["ClientSubnets"])
            if asked["NumberOfBrokerNodes"] % max(subnets, 1):
                raise bad_request("The number of broker nodes must be a multiple of the number of client subnets.")
            software = self._software({**asked, "TargetKafkaVersion": asked["KafkaVersion"]})
            asked = clusters.with_defaults(asked)
        elif not all(config["SubnetIds"] for config in asked["VpcConfigs"]):
            raise bad_request("Each VPC configuration needs at least one subnet.")
        identifier = f"{uuid.uuid4()}-{len(self._clusters) % 10}"
        cluster = Cluster(
            arn=call.arn("kafka", f"cluster/{name}/{identifier}"),
            name=name,
            kind=kind,
            asked=copy.deepcopy(dict(asked)),
            software=software,
            tags=dict(request.get("Tags") or {}),
            created=datetime.now(UTC),
            version=clusters.new_version(),
        )
        self._clusters[cluster.arn] = cluster
        return cluster

    def _software(self, request: Request) -> Answer:
        """The members of CurrentBrokerSoftwareInfo that a request sets."""
        software: Answer = {}
        if version := request.get("TargetKafkaVersion"):
            software["KafkaVersion"] = check_version(version)
        if configuration := request.get("ConfigurationInfo"):
            self._configurations.revision(configuration["Arn"], configuration["Revision"])
            software["ConfigurationArn"] = configuration["Arn"]
            software["ConfigurationRevision"] = configuration["Revision"]
        return software

    def _of(self, call: Call) -> list[Cluster]:
        prefix = call.arn("kafka", "cluster/")
        return sorted((c for c in self._clusters.values() if c.arn.startswith(prefix)), key=lambda c: c.name)

    def _found(self, arn: str) -> Cluster:
        if arn not in self._clusters:
            raise not_found(arn)
        return self._clusters[arn]

    def _provisioned(self, arn: str) -> Cluster:
        cluster = self._found(arn)
        if cluster.kind != "PROVISIONED":
            raise bad_request("This operation cannot be performed on serverless clusters.")
        return cluster

    def _listed(self, call: Call, request: Request, kind: str | None, form: Callable[[Cluster], Answer]) -> Answer:
        prefix = request.get("ClusterNameFilter") or ""
        found = [c for c in self._of(call) if c.name.startswith(prefix) and kind in (None, c.kind)]
        return paged("ClusterInfoList", [form(cluster) for cluster in found], request)

    def _delete(self, call: Call, request: Request) -> Answer:
        cluster = self._found(request["ClusterArn"])
        clusters.check_current(cluster, request.get("CurrentVersion", cluster.version))
        del self._clusters[cluster.arn]
        return {"ClusterArn": cluster.arn, "State": "DELETING"}

    def _changing(self, name: str, change: Callable[[Cluster, Request], None]) -> Handler:
        """An operation that changes a provisioned cluster, at once, and is remembered with its source and target."""

        def handle(call: Call, request: Request) -> Answer:
            cluster = self._provisioned(request["ClusterArn"])
            clusters.check_current(cluster, request.get("CurrentVersion", cluster.version))
            before, began = clusters.mutable(cluster), datetime.now(UTC)
            change(cluster, request)
            cluster.version = clusters.new_version()
            path = cluster.arn.rpartition(":cluster/")[2]
            operation = {
                "ClusterArn": cluster.arn,
                "OperationArn": call.arn("kafka", f"cluster-operation/{path}/{uuid.uuid4()}"),
                "OperationType": clusters.OPERATIONS[name],
                "CreationTime": began,
                "EndTime": datetime.now(UTC),
                "SourceClusterInfo": before,
                "TargetClusterInfo": clusters.mutable(cluster),
            }
            cluster.operations.append(operation)
            return {"ClusterArn": cluster.arn, "ClusterOperationArn": operation["OperationArn"]}

        return handle

    def _operation(self, request: Request) -> Answer:
        arn = request["ClusterOperationArn"]
        for cluster in self._clusters.values():
            for operation in cluster.operations:
                if operation["OperationArn"] == arn:
                    return operation
        raise not_found(arn)

    def _operations(self, request: Request, form: Callable[[Answer], Answer]) -> Answer:
        cluster = self._found(request["ClusterArn"])
        found = [form(operation) for operation in reversed(cluster.operations)]
        return paged("ClusterOperationInfoList", found, request)

    def _bootstrap(self, call: Call, request: Request) -> Answer:
        """The running broker, under every key that the cluster's authentication would have on AWS."""
        cluster = self._found(request["ClusterArn"])
        if not self._brokers:
            message = "no Kafka was named to LocalStack: LAKEHOUSE_BROKERS is not set"
            raise AwsError("ServiceUnavailableException", message, 503)
        return dict.fromkeys((f"BootstrapBrokerString{key}" for key in clusters.listeners(cluster)), self._brokers)

    def _nodes(self, call: Call, request: Request) -> Answer:
        cluster = self._provisioned(request["ClusterArn"])
        subnets = cluster.asked["BrokerNodeGroupInfo"]["ClientSubnets"]
        nodes = [
            {
                "AddedToClusterTime": cluster.created.isoformat(),
                "InstanceType": cluster.asked["BrokerNodeGroupInfo"]["InstanceType"],
                "NodeARN": f"{cluster.arn.replace(':cluster/', ':broker/')}/{number}",
                "NodeType": "BROKER",
                "BrokerNodeInfo": {
                    "BrokerId": float(number),
                    "ClientSubnet": subnets[(number - 1) % len(subnets)],
                    "CurrentBrokerSoftwareInfo": dict(cluster.software),
                    "Endpoints": [
                        address.rpartition(":")[0] for address in (self._brokers or "").split(",") if address
                    ],
                },
            }
            for number in range(1, cluster.asked["NumberOfBrokerNodes"] + 1)
        ]
        return paged("NodeInfoList", nodes, request)

    def _compatible(self, call: Call, request: Request) -> Answer:
        version = None
        if "ClusterArn" in request:
            version = self._provisioned(request["ClusterArn"]).software["KafkaVersion"]
        return {"CompatibleKafkaVersions": compatible_versions(version)}

    def _put_policy(self, call: Call, request: Request) -> Answer:
        cluster = self._found(request["ClusterArn"])
        cluster.policy = (request["Policy"], clusters.new_version())
        return {"CurrentVersion": cluster.policy[1]}

    def _get_policy(self, call: Call, request: Request) -> Answer:
        policy = self._found(request["ClusterArn"]).policy
        if policy is None:
            raise AwsError("NotFoundException", "The cluster has no policy.", 404)
        return {"Policy": policy[0], "CurrentVersion": policy[1]}

    def _delete_policy(self, call: Call, request: Request) -> Answer:
        self._get_policy(call, request)
        self._found(request["ClusterArn"]).policy = None
        return {}

    def _associate(self, call: Call, request: Request) -> Answer:
        cluster = self._provisioned(request["ClusterArn"])
        cluster.secrets = list(dict.fromkeys([*cluster.secrets, *request["SecretArnList"]]))
        return {"ClusterArn": cluster.arn, "UnprocessedScramSecrets": []}

    def _disassociate(self, call: Call, request: Request) -> Answer:
        cluster = self._provisioned(request["ClusterArn"])
        cluster.secrets = [arn for arn in cluster.secrets if arn not in request["SecretArnList"]]
        return {"ClusterArn": cluster.arn, "UnprocessedScramSecrets": []}

    def _scram_secrets(self, call: Call, request: Request) -> Answer:
        return paged("SecretArnList", list(self._provisioned(request["ClusterArn"]).secrets), request)

    def _tags(self, arn: str) -> dict[str, str]:
        return self._found(arn).tags

    def _tag(self, call: Call, request: Request) -> None:
        self._tags(request["ResourceArn"]).update(request["Tags"])

    def _untag(self, call: Call, request: Request) -> None:
        for key in request["TagKeys"]:
            self._tags(request["ResourceArn"]).pop(key, None)
