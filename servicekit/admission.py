"""Who may begin a call, and with what: request id, identity, policy, key, deadline.

Decided from metadata and the proto's options alone, before a handler runs. The
fast path never waits; only a token that was not seen before does.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Mapping

from servicekit.clock import uuid7
from servicekit.context import Caller, RequestContext
from servicekit.errors import (
    DeadlineExceeded,
    IdempotencyKeyMissing,
    PermissionDenied,
    Planned,
    Unauthenticated,
)
from servicekit.methods import MethodRule
from servicekit.tokens import InvalidToken, ServiceTokens, UserTokens

REQUEST_ID = "x-request-id"
AUTHORIZATION = "authorization"
SERVICE_TOKEN = "x-tillmesh-service"  # noqa: S105 - the name of a header
IDEMPOTENCY_KEY = "idempotency-key"
SYNTHETIC = "x-tillmesh-synthetic"
TRACEPARENT = "traceparent"

LEAST_BUDGET_SECONDS = 0.1
"""Work with less time than this left is refused at once (boulder's rule)."""

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch
_WELL_FORMED_TRACE = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
).fullmatch
_BEARER = "bearer "


def adopted(traceparent: str) -> str:
    """The caller's W3C `traceparent` (section 3.2), or nothing: a malformed one counts as none."""
    return traceparent if _WELL_FORMED_TRACE(traceparent) else ""


def is_sampled(traceparent: str) -> bool:
    """True when a well-formed `traceparent` (level 1 or 2) asks for its trace to be recorded."""
    return bool(int(traceparent[-2:], 16) & 1)


def new_traceparent() -> str:
    """A new trace that nobody records, so that its requests still share one id."""
    ids = f"{random.getrandbits(192):048x}"
    return f"00-{ids[:32]}-{ids[32:]}-00"


class Admission:
    """Admits calls to one service.

    Args:
        users: Verifies people's tokens.
        services: Verifies peers' tokens.
    """

    def __init__(self, users: UserTokens, services: ServiceTokens) -> None:
        self._users = users
        self._services = services

    def read(self, metadata: Mapping[str, str], remaining: float | None) -> RequestContext:
        """The request as its metadata tells it, nothing verified yet.

        Args:
            metadata: What the caller sent, keys in lower case.
            remaining: Seconds until the caller stops waiting; `None` for never.
        """
        request_id = metadata.get(REQUEST_ID, "")
        return RequestContext(
            request_id=request_id if _WELL_FORMED_ID(request_id) else uuid7(),
            idempotency_key=metadata.get(IDEMPOTENCY_KEY, ""),
            synthetic=SYNTHETIC in metadata,
            authorization=metadata.get(AUTHORIZATION, ""),
            deadline=None if remaining is None else time.monotonic() + remaining,
        )

    async def admit(
        self, rule: MethodRule, request: RequestContext, metadata: Mapping[str, str], remaining: float | None
    ) -> None:
        """Set `request.caller`, or refuse the call.

        Raises:
            Refusal: The caller may not, or the call cannot work.
        """
        if remaining is not None and remaining < LEAST_BUDGET_SECONDS:
            raise DeadlineExceeded("too little time is left to begin")
        if not rule.public:
            request.caller = await self._identify(request, metadata)
            _allow(rule, request.caller)
        if rule.planned:
            raise Planned(f"not available yet: {rule.planned}")
        if rule.needs_key and not request.idempotency_key:
            raise IdempotencyKeyMissing("this call needs an Idempotency-Key, so that repeating it is safe")

    async def _identify(self, request: RequestContext, metadata: Mapping[str, str]) -> Caller:
        service_token = metadata.get(SERVICE_TOKEN)
        try:
            peer = self._services.verify(service_token) if service_token else Caller()
            user = await self._user(request.authorization) if request.authorization else Caller()
        except InvalidToken as fault:
            raise Unauthenticated(str(fault), metadata={"expired": str(fault.expired).lower()}) from None
        return Caller(subject=user.subject, roles=user.roles, service=peer.service)

    async def _user(self, authorization: str) -> Caller:
        if authorization[: len(_BEARER)].lower() != _BEARER:  # RFC 9110: schemes have no case
            raise InvalidToken("The authorization must be a bearer token.")
        token = authorization[len(_BEARER) :]
        return self._users.cached(token) or await self._users.verify(token)


def _allow(rule: MethodRule, caller: Caller) -> None:
    if rule.internal:
        if not caller.is_service:
            raise PermissionDenied("only services of the mesh may call this")
        return
    if not caller.subject:
        raise Unauthenticated("sign in first: this call needs an access token")
    if not rule.admits(caller.roles):
        wanted = ", ".join(sorted(rule.roles))
        raise PermissionDenied(f"this call needs one of the roles: {wanted}", metadata={"roles": wanted})
