from __future__ import annotations

import botocore.session
import pytest
from localstack_lakehouse.model import problems, sent


def shape(service: str, operation: str, side: str = "input"):
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    return getattr(model, f"{side}_shape")


GOOD = {"releaseLabel": "emr-spark-8.0.0", "type": "SPARK", "clientToken": "a"}


def test_what_the_model_allows_has_no_problem():
    assert problems(shape("emr-serverless", "CreateApplication"), GOOD) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"releaseLabel": None}, "releaseLabel"),
        ({"size": 3}, "size"),
        ({"name": "x" * 65}, "name: 65 characters, at most 64 are allowed"),
        ({"name": "two words"}, "name: 'two words' is not"),
        ({"architecture": "RISCV"}, "architecture: 'RISCV', allowed are"),
        ({"autoStopConfiguration": {"idleTimeoutMinutes": 99999}}, "at most 10080"),
        ({"maximumCapacity": {"cpu": "0 vCPU", "memory": "1 GB"}}, "maximumCapacity.cpu: '0 vCPU'"),
        ({"networkConfiguration": {"subnetIds": ["  "]}}, "networkConfiguration.subnetIds[0]"),
        ({"tags": {"key": "v" * 300}}, "tags.key: 300 characters"),
    ],
)
def test_each_limit_of_the_model_is_named_with_its_place(change, said):
    request = {name: value for name, value in (GOOD | change).items() if value is not None}
    found = problems(shape("emr-serverless", "CreateApplication"), request)
    assert len(found) == 1
    assert said in found[0]


def test_a_tolerated_shape_is_not_held_to_its_limits():
    answer = {"Environment": {"WebserverUrl": "http://127.0.0.1:8080"}}
    output = shape("mwaa", "GetEnvironment", "output")
    assert problems(output, answer) == ["Environment.WebserverUrl: 'http://127.0.0.1:8080' is not https://.+"]
    assert problems(output, answer, ("WebserverUrl",)) == []


def test_text_beyond_sixteen_bits_passes_a_pattern_of_javas():
    request = {"DatabaseInput": {"Name": "lake", "Description": "tables 🌊"}}
    assert problems(shape("glue", "CreateDatabase"), request) == []


def test_a_list_of_the_query_string_that_nobody_gave_was_not_sent():
    listing = shape("emr-serverless", "ListApplications")
    assert sent(listing, {"states": [], "maxResults": 5, "nextToken": None}) == {"maxResults": 5}
    assert sent(listing, {"states": ["STARTED"]}) == {"states": ["STARTED"]}
    assert sent(listing, None) == {}


def test_an_empty_list_in_a_body_was_sent():
    assert sent(shape("glue", "BatchGetPartition"), {"PartitionsToGet": []}) == {"PartitionsToGet": []}


def test_an_operation_without_output_answers_nothing():
    assert problems(None, {}) == []
    assert problems(None, {"surprise": 1}) == ["expected nothing, found ['surprise']"]
