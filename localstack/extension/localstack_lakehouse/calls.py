"""What every operation is given and may answer: the caller, a refusal, pages and tags."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Item = TypeVar("Item")
# Requests and responses, as botocore's model of the operation says.
Request = Mapping[str, Any]
Answer = dict[str, Any]

_LONGEST_PAGE = 100


class AwsError(Exception):
    """An error that AWS would answer with: one of the codes that the operation's model lists."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True)
class Call:
    """Who calls, and where. `forward` hands the unchanged request to moto and returns its answer."""

    account: str
    region: str
    forward: Callable[[], Answer]

    def arn(self, service: str, resource: str) -> str:
        """Name of a resource of the caller's account in its region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


Handler = Callable[[Call, Request], Answer | None]


def given(request: Request, names: Iterable[str]) -> Answer:
    """The named members that the request has."""
    return {name: request[name] for name in names if request.get(name) is not None}


def page(
    found: Sequence[Item], limit: int | None, token: str | None, refusal: Callable[[str], AwsError]
) -> tuple[list[Item], str | None]:
    """One page of a list and the token of the next; a token is the position where its page begins."""
    if token is not None and not (token.isdecimal() and int(token) <= len(found)):
        raise refusal(f"the token '{token}' is none of this list")
    start = int(token or 0)
    end = start + (limit or _LONGEST_PAGE)
    return list(found[start:end]), str(end) if end < len(found) else None


def unique(length: int) -> str:
    """Random lower-case hexadecimal digits, for identifiers."""
    return uuid.uuid4().hex[:length]
