"""What one request carries through a process: its id, its caller, its deadline.

Entered once per RPC by the chain, and by hand for background work. Code that is
not inside a request sees an empty one with an id of its own, so that a log line
or an outgoing call always has something to name. Knows neither gRPC nor HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from enum import StrEnum

from servicekit.clock import uuid7


class Role(StrEnum):
    """What a person may do in the shop; the values stand in tokens. See options.proto."""

    CUSTOMER = "customer"
    CASHIER = "cashier"
    MANAGER = "manager"
    ENGINEER = "engineer"
    ADMIN = "admin"


_STAFF = frozenset({Role.CASHIER, Role.MANAGER, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        subject: The user's id; empty for nobody.
        roles: What the user may do.
        service: The peer that calls, for calls inside the mesh; empty otherwise.
    """

    subject: str = ""
    roles: frozenset[Role] = frozenset()
    service: str = ""

    @property
    def is_anonymous(self) -> bool:
        """True when neither a user nor a service is known."""
        return not self.subject and not self.service

    @property
    def is_service(self) -> bool:
        """True when a peer of the mesh calls."""
        return bool(self.service)

    @property
    def is_staff(self) -> bool:
        """True when the user sees the orders of the whole shop."""
        return not _STAFF.isdisjoint(self.roles)


ANONYMOUS = Caller()


@dataclass(slots=True)
class RequestContext:
    """One request.

    Attributes:
        request_id: Names the request on every log line, span and downstream call.
        caller: Who calls.
        idempotency_key: The caller's name for its attempt; empty when none was given.
        synthetic: True for test traffic that must stay out of revenue and SLOs.
        authorization: The user's `Authorization` value, passed along on calls made on the user's behalf.
        traceparent: The W3C trace context of a request whose trace is not sampled: no span is made
            for it, and this is what logs and downstream calls name instead.
        deadline: When the caller stops waiting, in `time.monotonic()` seconds; `None` for never.
    """

    request_id: str = field(default_factory=uuid7)
    caller: Caller = ANONYMOUS
    idempotency_key: str = ""
    synthetic: bool = False
    authorization: str = ""
    traceparent: str = ""
    deadline: float | None = None


_current: ContextVar[RequestContext] = ContextVar("tillmesh_request")


def current() -> RequestContext:
    """The request that runs now; outside of any, an empty one made for this context."""
    request = _current.get(None)
    if request is None:
        request = RequestContext()
        _current.set(request)
    return request


def enter(request: RequestContext) -> Token[RequestContext]:
    """Make `request` current until `leave()`; for the chain, which cannot afford a `with`."""
    return _current.set(request)


def leave(token: Token[RequestContext]) -> None:
    """Undo `enter()`."""
    _current.reset(token)


@contextmanager
def scope(request: RequestContext) -> Iterator[RequestContext]:
    """Make `request` current for a block: background work, tests, the gateway."""
    token = enter(request)
    try:
        yield request
    finally:
        leave(token)
