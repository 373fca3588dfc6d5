"""What can be wrong with a query, in the words Prometheus uses where it has some."""

from __future__ import annotations


class QueryError(Exception):
    """A query that has no answer. The message is for whoever wrote the query."""


class ParseError(QueryError):
    """The text is not PromQL. `position`, where known, counts characters from 0."""

    def __init__(self, message: str, position: int | None = None) -> None:
        super().__init__(message)
        self.position = position


class Unsupported(ParseError):
    """The text is PromQL, of a part that this engine does not have."""


class BadRange(QueryError):
    """The span of a range query is empty or has no usable step."""


class EvaluationError(QueryError):
    """The data do not allow what the query asks, such as a match that is not unique."""


class LimitExceeded(QueryError):
    """The query would need more than it is allowed."""


class Cancelled(QueryError):
    """Whoever asked no longer wants to know, or the time is up."""
