"""Operations as a client calls them: what goes in and what comes out is checked against botocore's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import pytest
from localstack_lakehouse.calls import Answer, AwsError, Call, Handler
from localstack_lakehouse.model import problems

Operation = Callable[..., Answer]

ACCOUNT, REGION = "000000000000", "eu-central-1"


def _not_moto() -> Answer:
    raise AssertionError("handed on to moto")


@pytest.fixture
def api() -> Callable[..., Operation]:
    """Makes a caller of one service's handlers: call("CreateCluster", ClusterName=...)."""

    def make(service: str, handlers: Mapping[str, Handler], tolerated: tuple[str, ...] = ()) -> Operation:
        model = botocore.session.get_session().get_service_model(service)

        def call(operation: str, **request: Any) -> Answer:
            shapes = model.operation_model(operation)
            assert problems(shapes.input_shape, request) == []
            answer = handlers[operation](Call(ACCOUNT, REGION, _not_moto), request) or {}
            assert problems(shapes.output_shape, answer, tolerated) == []
            return answer

        return call

    return make


@pytest.fixture
def refused() -> Callable[..., str]:
    """Makes a call that must be refused with the code; returns the message."""

    def check(code: str, call: Operation, operation: str, **request: Any) -> str:
        with pytest.raises(AwsError) as caught:
            call(operation, **request)
        assert caught.value.code == code
        return caught.value.message

    return check
