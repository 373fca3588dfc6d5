"""Faults to switch on: what a provider does on a bad day, on purpose and repeatably.

A fault strikes by chance, or a number of times, or both; its seed makes the chances
repeat. Faults live in memory: a sandbox that is started anew has none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any


class FaultKind(StrEnum):
    """What goes wrong."""

    LATENCY = "latency"
    """The call is executed `seconds` late, whether or not the caller still waits."""
    RATE_LIMITED = "rate_limited"
    """429 with `Retry-After`, before anything else is looked at."""
    ERROR_BEFORE_COMMIT = "error_before_commit"
    """500, and nothing has happened."""
    ERROR_AFTER_COMMIT = "error_after_commit"
    """500, and all of it has happened."""
    DROP_AFTER_COMMIT = "drop_after_commit"
    """All of it has happened, and the connection closes without an answer."""
    WEBHOOK_DELAY = "webhook_delay"
    """The events of the call are delivered `seconds` late."""
    WEBHOOK_SPREAD = "webhook_spread"
    """The events of the call are delivered each at its own moment within `seconds`, in no order."""
    WEBHOOK_DUPLICATE = "webhook_duplicate"
    """The events of the call are delivered twice."""
    SEARCH_LAG = "search_lag"
    """A search does not find what is younger than `seconds`, as Stripe's index now and then does not."""


TIMED = frozenset(
    {FaultKind.LATENCY, FaultKind.WEBHOOK_DELAY, FaultKind.WEBHOOK_SPREAD, FaultKind.SEARCH_LAG}
)
"""The kinds for which `seconds` says how long."""


@dataclass
class Fault:
    """One fault that is switched on.

    Attributes:
        id: Names it.
        kind: What goes wrong.
        operation: Which calls it strikes, such as `payment_intents.capture`; empty for all.
        probability: The chance that it strikes one call.
        count: How many times it still may strike; `None` for no limit.
        seconds: How long, for the kinds that take time.
        retry_after_seconds: What `Retry-After` says, for `rate_limited`.
        seed: Where its chances come from.
        struck: How many times it has struck.
    """

    id: str
    kind: FaultKind
    operation: str
    probability: float
    count: int | None
    seconds: float
    retry_after_seconds: int
    seed: int
    struck: int = 0

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - repeatable chances, not secrets

    def strikes(self, operation: str) -> bool:
        """Decide about one call, and count it if so."""
        if self.operation not in {"", operation} or self.count == 0:
            return False
        if self._random.random() >= self.probability:
            return False
        self.struck += 1
        if self.count is not None:
            self.count -= 1
        return True

    def part_of_seconds(self) -> float:
        """Some time within `seconds`, by its own chances."""
        return self._random.random() * self.seconds

    def as_json(self) -> dict[str, Any]:
        """The fault as the control API shows it."""
        return asdict(self)


class Faults:
    """All faults that are switched on, in that order."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._faults)

    def switch_on(self, fault: Fault) -> None:
        """Let `fault` strike from now on."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Switch all faults off."""
        self._faults.clear()

    def draw(self, kind: FaultKind, operation: str) -> Fault | None:
        """The first fault of this kind that strikes this call, if one does."""
        return next((each for each in self._faults if each.kind is kind and each.strikes(operation)), None)
