"""What the API refuses, in Prometheus's words and with its statuses."""

from __future__ import annotations

from services.monitoring.promql import BadPattern, Cancelled, ParseError, QueryError


class ApiError(Exception):
    """An answer that is no success.

    Attributes:
        status: Of HTTP.
        kind: Prometheus's `errorType`.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def bad_data(message: str) -> ApiError:
    """What was asked makes no sense."""
    return ApiError(400, "bad_data", message)


def bad_parameter(name: str, message: str) -> ApiError:
    """One parameter makes no sense."""
    return bad_data(f'invalid parameter "{name}": {message}')


def of_query(error: QueryError | BadPattern) -> ApiError:
    """What became of a query."""
    match error:
        case Cancelled() if "timed out" in str(error):
            return ApiError(503, "timeout", str(error))
        case Cancelled():
            return ApiError(503, "canceled", str(error))
        case ParseError():
            return bad_parameter("query", str(error))
        case BadPattern():
            return bad_data(str(error))
        case _:
            return ApiError(422, "execution", str(error))
