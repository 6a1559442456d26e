"""The entry points: each makes a LocalStack service of our own handlers, and moto for all other operations.

The only module that imports LocalStack. Every request and every response is checked against botocore's model here.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.skeleton import Skeleton
from localstack.aws.spec import load_service
from localstack.services.plugins import Service, ServiceLifecycleHook, aws_provider

from localstack_lakehouse import settings
from localstack_lakehouse.calls import Answer, AwsError, Call, Handler, Request
from localstack_lakehouse.model import problems, sent

LOG = logging.getLogger(__name__)


@aws_provider()
def kafka() -> Service:
    """MSK."""
    from localstack_lakehouse.msk import Msk

    return _service("kafka", Msk(settings.load()).handlers(), "BadRequestException")


@aws_provider(api="emr-serverless")
def emr_serverless() -> Service:
    """EMR Serverless; its job runs end with LocalStack."""
    from localstack.config import external_service_url, internal_service_url
    from localstack.services.edge import ROUTER

    from localstack_lakehouse.emr_serverless import EmrServerless

    own = EmrServerless(settings.load(), internal_service_url(host="127.0.0.1"), external_service_url())
    ROUTER.add("/_emr-serverless/<application>/<run>", lambda request, application, run: _text(own, application, run))
    return _service("emr-serverless", own.handlers(), "ValidationException", _EndsJobs(own))


@aws_provider()
def glue() -> Service:
    """Glue's catalog and schema registry."""
    from localstack_lakehouse.glue import Glue

    return _service("glue", Glue().handlers(), "InvalidInputException")


@aws_provider()
def mwaa() -> Service:
    """MWAA. Its model wants https and no port, and an Airflow of this machine has neither."""
    from localstack_lakehouse.mwaa import Mwaa

    return _service(
        "mwaa", Mwaa(settings.load()).handlers(), "ValidationException", tolerated=("WebserverUrl", "Hostname")
    )


class _EndsJobs(ServiceLifecycleHook):
    def __init__(self, own: Any) -> None:
        self._own = own

    def on_before_stop(self) -> None:
        self._own.close()


def _text(own: Any, application: str, run: str) -> Any:
    from localstack.http import Response

    page = own.dashboard_page(application, run)
    return Response(page or "no such job run\n", 200 if page else 404, mimetype="text/plain; charset=utf-8")


def _service(
    api: str,
    own: Mapping[str, Handler],
    invalid: str,
    hook: ServiceLifecycleHook | None = None,
    tolerated: Collection[str] = (),
) -> Service:
    model = load_service(api)
    unknown = set(own) - set(model.operation_names)
    if unknown:
        raise ValueError(f"{api} has no operation {', '.join(sorted(unknown))}")
    table = {
        name: _checked(model.operation_model(name), own.get(name, _by_moto), invalid, tolerated)
        for name in model.operation_names
    }
    return Service(api, skeleton=Skeleton(model, table), lifecycle_hook=hook)


def _by_moto(call: Call, request: Request) -> Answer:
    return call.forward()


def _checked(operation: Any, handler: Handler, invalid: str, tolerated: Collection[str]) -> Any:
    """The handler between two checks; `invalid` is the service's code for a request that its model does not allow."""

    def handle(context: RequestContext, request: Request) -> Answer:
        request = sent(operation.input_shape, request)
        wrong = problems(operation.input_shape, request)
        if wrong:
            raise CommonServiceException(invalid, "; ".join(wrong), status_code=400, sender_fault=True)
        try:
            answer = handler(Call(context.account_id, context.region, lambda: _moto(context)), request) or {}
        except AwsError as refusal:
            fault = refusal.status < 500
            raise CommonServiceException(refusal.code, refusal.message, refusal.status, sender_fault=fault) from refusal
        wrong = problems(operation.output_shape, answer, tolerated)
        if wrong:
            message = f"{operation.service_model.service_name} {operation.name} would answer what its model forbids"
            LOG.error("%s: %s", message, "; ".join(wrong))
            raise CommonServiceException("InternalServerException", f"{message}: {'; '.join(wrong)}", status_code=500)
        return answer

    return handle


def _moto(context: RequestContext) -> Answer:
    # Imported when first needed: moto's backends are the larger part of LocalStack's memory.
    from localstack.services.moto import call_moto

    return call_moto(context) or {}
