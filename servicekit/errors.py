"""Refusals: every answer that is not the one a caller asked for, and not our fault.

A refusal says what kind it is (what the caller should do), a stable reason (what
programs match on) and a message (what people read). It crosses RPC whole, except
its traceback and its Python type, which are *lost* at the boundary: a caller sees
`servicekit.status.RemoteRefusal`. Knows neither gRPC nor HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What a refused caller should do. Values are the names of the gRPC codes."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    """Mend the request; it will never work as it is."""
    UNAUTHENTICATED = "UNAUTHENTICATED"
    """Sign in, or refresh the token, then repeat."""
    PERMISSION_DENIED = "PERMISSION_DENIED"
    """Stop, or ask an administrator for the role."""
    NOT_FOUND = "NOT_FOUND"
    """Check the name; nothing of it is here, or none of it is yours to see."""
    ALREADY_EXISTS = "ALREADY_EXISTS"
    """Use what is there, or choose another name."""
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    """Change the state of the system first; repeating alone does not help."""
    ABORTED = "ABORTED"
    """Somebody else was at it: repeat in a moment."""
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    """Slow down; repeat after the time that is given."""
    UNAVAILABLE = "UNAVAILABLE"
    """Repeat with backoff: something we need is away."""
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    """It took too long. It may have happened: ask before repeating what is not idempotent."""
    UNIMPLEMENTED = "UNIMPLEMENTED"
    """Wait for a release that has it."""
    INTERNAL = "INTERNAL"
    """Report the error id; it is our fault."""


@dataclass(frozen=True)
class FieldViolation:
    """One fault of one field.

    Attributes:
        field: Path by proto names, such as `lines[0].quantity`.
        description: What is wrong with it, for a person.
    """

    field: str
    description: str


class Refusal(Exception):
    """Base of every refusal that a caller may see; one subclass for each."""

    kind: ClassVar[Kind]
    reason: ClassVar[str]

    def __init__(
        self,
        message: str,
        *,
        violations: Sequence[FieldViolation] = (),
        metadata: Mapping[str, str] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Refuse.

        Args:
            message: What is wrong, in one sentence for the caller. No library text.
            violations: The fields at fault, all of them at once.
            metadata: Facts that programs may use, such as the SKU that is out of stock.
            retry_after_seconds: When repeating makes sense; `None` when it does not.
        """
        super().__init__(message)
        self.message = message
        self.violations = tuple(violations)
        self.metadata = dict(metadata or {})
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(Refusal):
    """Fields of the request are wrong."""

    kind = Kind.INVALID_ARGUMENT
    reason = "INVALID_ARGUMENT"


class IdempotencyKeyMissing(Refusal):
    """The call creates or moves something and does not name its attempt."""

    kind = Kind.INVALID_ARGUMENT
    reason = "IDEMPOTENCY_KEY_MISSING"


class IdempotencyKeyReused(Refusal):
    """The key was used for another request."""

    kind = Kind.INVALID_ARGUMENT
    reason = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyKeyInFlight(Refusal):
    """A call with the same key is being worked on."""

    kind = Kind.ABORTED
    reason = "IDEMPOTENCY_KEY_IN_FLIGHT"


class StoreUnavailable(Refusal):
    """PostgreSQL or Redis did not answer. What was asked may have happened."""

    kind = Kind.UNAVAILABLE
    reason = "STORE_UNAVAILABLE"


class PeerUnavailable(Refusal):
    """A service that we need did not answer."""

    kind = Kind.UNAVAILABLE
    reason = "PEER_UNAVAILABLE"


class Unauthenticated(Refusal):
    """The call needs an identity and has none that holds."""

    kind = Kind.UNAUTHENTICATED
    reason = "UNAUTHENTICATED"


class PermissionDenied(Refusal):
    """The caller is known and may not do this."""

    kind = Kind.PERMISSION_DENIED
    reason = "PERMISSION_DENIED"


class DeadlineExceeded(Refusal):
    """The deadline passed, or too little of it was left to begin."""

    kind = Kind.DEADLINE_EXCEEDED
    reason = "DEADLINE_EXCEEDED"


class Planned(Refusal):
    """The capability behind this RPC is not built yet."""

    kind = Kind.UNIMPLEMENTED
    reason = "PLANNED"
