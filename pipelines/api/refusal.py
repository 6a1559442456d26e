"""What the web app says instead of an answer: one sentence and the next command, with a fitting status."""

from __future__ import annotations

from pipelines.errors import PulseIQError, ServiceError, UsageError


class UnknownError(UsageError):
    """What was asked for by name is not there."""


def status_of(error: PulseIQError) -> int:
    """HTTP status of an error: 404 not there, 400 cannot be used, 503 a service does not answer, else 500."""
    if isinstance(error, UnknownError):
        return 404
    if isinstance(error, UsageError):
        return 400
    return 503 if isinstance(error, ServiceError) else 500
