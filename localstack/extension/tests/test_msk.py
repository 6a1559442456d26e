from __future__ import annotations

from pathlib import Path

import pytest
from localstack_lakehouse.msk import Msk
from localstack_lakehouse.settings import Settings

BROKER = "127.0.0.1:9092"


def settings(brokers: str | None = BROKER) -> Settings:
    return Settings(brokers, None, None, "local[1]", None, None, Path("unused"), None)


@pytest.fixture
def call(api):
    return api("kafka", Msk(settings()).handlers())


def provisioned(call, name="stream", **more):
    nodes = {"ClientSubnets": ["subnet-1", "subnet-2"], "InstanceType": "kafka.m7g.large"}
    asked = {"BrokerNodeGroupInfo": nodes, "KafkaVersion": "4.1.x.kraft", "NumberOfBrokerNodes": 2} | more
    return call("CreateClusterV2", ClusterName=name, Provisioned=asked)["ClusterArn"]


def serverless(call, name="stream"):
    config = {"VpcConfigs": [{"SubnetIds": ["subnet-1"]}], "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}}}
    return call("CreateClusterV2", ClusterName=name, Serverless=config)["ClusterArn"]


def test_a_cluster_is_active_as_soon_as_it_is_asked_after(call):
    arn = provisioned(call)
    assert call("DescribeCluster", ClusterArn=arn)["ClusterInfo"]["State"] == "ACTIVE"
    assert call("DescribeClusterV2", ClusterArn=arn)["ClusterInfo"]["State"] == "ACTIVE"


def test_both_versions_of_the_api_tell_the_same_cluster(call):
    arn = provisioned(call, EnhancedMonitoring="PER_BROKER")
    first = call("DescribeCluster", ClusterArn=arn)["ClusterInfo"]
    second = call("DescribeClusterV2", ClusterArn=arn)["ClusterInfo"]["Provisioned"]
    for member in ("BrokerNodeGroupInfo", "CurrentBrokerSoftwareInfo", "EnhancedMonitoring", "NumberOfBrokerNodes"):
        assert first[member] == second[member]


@pytest.mark.parametrize(
    ("transit", "authentication", "keys"),
    [
        ("TLS", {}, {"Tls"}),
        ("TLS_PLAINTEXT", {}, {"", "Tls"}),
        ("PLAINTEXT", {}, {""}),
        ("TLS", {"Sasl": {"Iam": {"Enabled": True}}}, {"SaslIam"}),
        ("TLS", {"Sasl": {"Iam": {"Enabled": True}}, "Unauthenticated": {"Enabled": True}}, {"Tls", "SaslIam"}),
        ("TLS", {"Sasl": {"Scram": {"Enabled": True}}, "Tls": {"Enabled": True}}, {"Tls", "SaslScram"}),
    ],
)
def test_bootstrap_brokers_have_the_keys_of_the_clusters_authentication(call, transit, authentication, keys):
    arn = provisioned(
        call,
        EncryptionInfo={"EncryptionInTransit": {"ClientBroker": transit}},
        ClientAuthentication=authentication,
    )
    answer = call("GetBootstrapBrokers", ClusterArn=arn)
    assert answer == {f"BootstrapBrokerString{key}": BROKER for key in keys}


def test_a_serverless_cluster_has_iam_brokers_only(call):
    assert call("GetBootstrapBrokers", ClusterArn=serverless(call)) == {"BootstrapBrokerStringSaslIam": BROKER}


def test_without_a_broker_the_answer_says_which_variable_is_missing(api, refused):
    call = api("kafka", Msk(settings(brokers=None)).handlers())
    message = refused("ServiceUnavailableException", call, "GetBootstrapBrokers", ClusterArn=serverless(call))
    assert "LAKEHOUSE_BROKERS" in message


def test_a_configuration_keeps_every_revision(call):
    arn = call("CreateConfiguration", Name="small", ServerProperties=b"a=1\n", KafkaVersions=["4.1.x.kraft"])["Arn"]
    call("UpdateConfiguration", Arn=arn, ServerProperties=b"a=2\n", Description="more")
    assert call("DescribeConfiguration", Arn=arn)["LatestRevision"]["Revision"] == 2
    assert call("DescribeConfigurationRevision", Arn=arn, Revision=1)["ServerProperties"] == b"a=1\n"
    assert len(call("ListConfigurationRevisions", Arn=arn)["Revisions"]) == 2
    call("DeleteConfiguration", Arn=arn)
    assert call("ListConfigurations")["Configurations"] == []


def test_properties_that_are_none_are_refused(call, refused):
    message = refused("BadRequestException", call, "CreateConfiguration", Name="x", ServerProperties=b"retention 5")
    assert "'retention 5' is not key=value" in message


def test_a_change_gives_a_new_version_and_a_finished_operation(call, refused):
    arn = provisioned(call)
    old = call("DescribeCluster", ClusterArn=arn)["ClusterInfo"]["CurrentVersion"]
    change = {"ClusterArn": arn, "CurrentVersion": old, "TargetNumberOfBrokerNodes": 4}
    operation = call("UpdateBrokerCount", **change)["ClusterOperationArn"]
    cluster = call("DescribeCluster", ClusterArn=arn)["ClusterInfo"]
    assert cluster["NumberOfBrokerNodes"] == 4
    assert len(call("ListNodes", ClusterArn=arn)["NodeInfoList"]) == 4
    info = call("DescribeClusterOperationV2", ClusterOperationArn=operation)["ClusterOperationInfo"]
    assert info["OperationState"] == "UPDATE_COMPLETE"
    assert info["Provisioned"]["SourceClusterInfo"]["NumberOfBrokerNodes"] == 2
    assert old in refused("BadRequestException", call, "UpdateBrokerCount", **change)


def test_a_deleted_cluster_is_not_found(call, refused):
    arn = provisioned(call)
    call("DeleteCluster", ClusterArn=arn)
    assert arn in refused("NotFoundException", call, "DescribeClusterV2", ClusterArn=arn)


def test_two_clusters_of_one_name_are_a_conflict(call, refused):
    provisioned(call)
    with pytest.raises(Exception, match="already exists"):
        provisioned(call)


def test_lists_come_in_pages(call):
    for number in range(5):
        serverless(call, f"cluster-{number}")
    names, token = [], {}
    while True:
        answer = call("ListClustersV2", MaxResults=2, **token)
        names += [cluster["ClusterName"] for cluster in answer["ClusterInfoList"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert names == [f"cluster-{number}" for number in range(5)]


def test_an_unknown_version_of_kafka_is_refused(call, refused):
    with pytest.raises(Exception, match=r"Unsupported KafkaVersion \[9.9.9\]"):
        provisioned(call, KafkaVersion="9.9.9")
