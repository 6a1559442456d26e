from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from confluent_kafka.admin import AdminClient

from pipelines.platform import airflow, aws
from pipelines.platform.settings import Settings, local_endpoints


def test_the_bootstrap_brokers_of_a_cluster_are_the_running_kafka(services: Settings):
    msk = aws.client(services, "kafka")
    network = {
        "VpcConfigs": [{"SubnetIds": ["subnet-1"]}],
        "ClientAuthentication": {"Sasl": {"Iam": {"Enabled": True}}},
    }
    arn = msk.create_cluster_v2(ClusterName=f"c-{uuid.uuid4().hex[:8]}", Serverless=network)["ClusterArn"]
    assert msk.describe_cluster_v2(ClusterArn=arn)["ClusterInfo"]["State"] == "ACTIVE"
    brokers = msk.get_bootstrap_brokers(ClusterArn=arn)["BootstrapBrokerStringSaslIam"]
    assert len(AdminClient({"bootstrap.servers": brokers}).list_topics(timeout=20).brokers) == 1
    msk.delete_cluster(ClusterArn=arn)
    with pytest.raises(msk.exceptions.NotFoundException):
        msk.describe_cluster_v2(ClusterArn=arn)


def test_a_configurations_bytes_survive_the_protocol(services: Settings):
    msk = aws.client(services, "kafka")
    made = msk.create_configuration(
        Name=f"c-{uuid.uuid4().hex[:8]}", ServerProperties=b"auto.create.topics.enable=false\n"
    )
    revision = msk.describe_configuration_revision(Arn=made["Arn"], Revision=1)
    assert revision["ServerProperties"] == b"auto.create.topics.enable=false\n"
    msk.delete_configuration(Arn=made["Arn"])


@pytest.mark.parametrize("service", ["kafka", "glue", "mwaa", "emr-serverless"])
def test_a_request_that_the_model_forbids_is_refused_before_anything_happens(services: Settings, service: str):
    role, nowhere = "arn:aws:iam::000000000000:role/x", {"SubnetIds": ["subnet-1", "subnet-2"]}
    request: dict[str, tuple[str, dict[str, Any]]] = {
        "kafka": ("create_cluster_v2", {"ClusterName": "x" * 65, "Serverless": {"VpcConfigs": [nowhere]}}),
        "glue": ("create_registry", {"RegistryName": "no spaces here"}),
        "mwaa": (
            "create_environment",
            {
                "Name": "1st",
                "ExecutionRoleArn": role,
                "SourceBucketArn": "arn:aws:s3:::b",
                "DagS3Path": "d",
                "NetworkConfiguration": nowhere,
            },
        ),
        "emr-serverless": ("create_application", {"releaseLabel": "emr 8", "type": "SPARK"}),
    }
    operation, parameters = request[service]
    with pytest.raises(ClientError, match=r"characters, at most|is not \[") as caught:
        getattr(aws.client(services, service), operation)(**parameters)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_list_is_asked_for_without_states(services: Settings):
    emr = aws.client(services, "emr-serverless")
    made = emr.create_application(releaseLabel="emr-spark-8.0.0", type="SPARK", clientToken=uuid.uuid4().hex)
    identifier = made["applicationId"]
    assert identifier in {each["id"] for each in emr.list_applications()["applications"]}
    assert identifier not in {each["id"] for each in emr.list_applications(states=["STARTED"])["applications"]}
    assert emr.list_job_runs(applicationId=identifier)["jobRuns"] == []
    emr.delete_application(applicationId=identifier)


def test_mwaas_web_server_is_the_airflow_of_this_machine(services: Settings):
    mwaa, name = aws.client(services, "mwaa"), f"a-{uuid.uuid4().hex[:8]}"
    mwaa.create_environment(
        Name=name,
        ExecutionRoleArn="arn:aws:iam::000000000000:role/x",
        SourceBucketArn="arn:aws:s3:::bucket",
        DagS3Path="dags",
        NetworkConfiguration={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    )
    assert mwaa.get_environment(Name=name)["Environment"]["WebserverUrl"] == airflow.address(local_endpoints())
    mwaa.delete_environment(Name=name)


def test_an_operation_that_nobody_implements_says_so(services: Settings):
    with pytest.raises(ClientError) as caught:
        aws.client(services, "kafka").list_replicators()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_the_catalog_keeps_columns_partitions_and_tags(services: Settings):
    glue, name = aws.client(services, "glue"), f"db_{uuid.uuid4().hex[:8]}"
    glue.create_database(DatabaseInput={"Name": name}, Tags={"layer": "silver"})
    arn = f"arn:aws:glue:{services.region}:000000000000:database/{name}"
    assert glue.get_tags(ResourceArn=arn)["Tags"] == {"layer": "silver"}
    storage = {"Columns": [{"Name": "amounts", "Type": "array<bigint>"}], "Location": "s3://lake/silver"}
    table = {"Name": "silver", "StorageDescriptor": storage, "PartitionKeys": [{"Name": "day", "Type": "date"}]}
    glue.create_table(DatabaseName=name, TableInput=table)
    glue.create_partition(
        DatabaseName=name,
        TableName="silver",
        PartitionInput={"Values": ["2026-01-01"], "StorageDescriptor": storage},
    )
    found = glue.get_table(DatabaseName=name, Name="silver")["Table"]
    assert found["StorageDescriptor"]["Columns"] == storage["Columns"]
    assert [key["Name"] for key in found["PartitionKeys"]] == ["day"]
    partitions = glue.get_partitions(DatabaseName=name, TableName="silver")["Partitions"]
    assert [partition["Values"] for partition in partitions] == [["2026-01-01"]]
    glue.delete_database(Name=name)


def test_the_schema_registry_lists_versions_and_finds_a_registrys_tags(services: Settings):
    glue, name = aws.client(services, "glue"), f"events-{uuid.uuid4().hex[:8]}"
    registry = glue.create_registry(RegistryName=name, Tags={"product": "kiosk"})
    assert glue.get_tags(ResourceArn=registry["RegistryArn"])["Tags"] == {"product": "kiosk"}
    glue.update_registry(RegistryId={"RegistryName": name}, Description="what happened")
    assert glue.get_registry(RegistryId={"RegistryName": name})["Description"] == "what happened"
    definition = '{{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "maxProperties": {}}}'
    schema = glue.create_schema(
        RegistryId={"RegistryName": name},
        SchemaName="sale",
        DataFormat="JSON",
        Compatibility="BACKWARD",
        SchemaDefinition=definition.format(1),
    )
    glue.register_schema_version(SchemaId={"SchemaArn": schema["SchemaArn"]}, SchemaDefinition=definition.format(2))
    versions = glue.list_schema_versions(SchemaId={"SchemaArn": schema["SchemaArn"]})["Schemas"]
    assert [version["VersionNumber"] for version in versions] == [1, 2]
    assert [one["SchemaName"] for one in glue.list_schemas(RegistryId={"RegistryName": name})["Schemas"]] == ["sale"]
    assert glue.check_schema_version_validity(DataFormat="JSON", SchemaDefinition="{")["Valid"] is False


def test_an_environment_of_mwaa_is_available_and_goes_again(services: Settings):
    mwaa, name = aws.client(services, "mwaa"), f"e-{uuid.uuid4().hex[:8]}"
    mwaa.create_environment(
        Name=name,
        ExecutionRoleArn="arn:aws:iam::000000000000:role/airflow",
        SourceBucketArn="arn:aws:s3:::dags",
        DagS3Path="dags",
        NetworkConfiguration={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    )
    assert mwaa.get_environment(Name=name)["Environment"]["Status"] == "AVAILABLE"
    mwaa.delete_environment(Name=name)
    assert name not in mwaa.list_environments()["Environments"]
