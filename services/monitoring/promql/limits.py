"""What one query may use, which rules it follows, and how it is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from services.monitoring.promql.errors import Cancelled, LimitExceeded


@dataclass(frozen=True, slots=True)
class Limits:
    """The most one query may ask for. Reaching one raises `LimitExceeded`, never a shorter answer."""

    length: int = 8 * 1024
    """Characters of text."""
    depth: int = 150
    """Expressions inside one another."""
    operators: int = 500
    """Operators in the text: the parser's time grows with their square."""
    steps: int = 11_000
    """Steps of a range query, as in Prometheus."""
    subquery_steps: int = 1_000_000
    """Steps of all evaluations of one subquery together."""
    series: int = 200_000
    """Series that one selector may find."""
    samples: int = 50_000_000
    """Values in all results of all parts of the query, as `--query.max-samples` has it."""
    scanned: int = 500_000_000
    """Samples read in all; those in several windows count for each, where each is read by itself."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where versions and switches of Prometheus differ."""

    left_open: bool = True
    """Ranges and lookback are `(t - range, t]`, since 3.0; both ends included before."""
    zero_limit_last: bool = True
    """`rate()` looks for the counter's zero after its 1.1x threshold, since 2.51; before it until then."""
    match_before_filter: bool = True
    """A match that is not unique is an error even where the comparison filters it out, since 3.0."""
    lone_spread_is_zero: bool = False
    """stddev() and stdvar() of one sample are 0 even if it is NaN or infinite: until 2.x ended."""
    delayed_name_removal: bool = False
    """Names go at the end of the query: `--enable-feature=promql-delayed-name-removal`."""
    lookback_ms: int = 300_000
    """How old the newest sample of a series may be."""
    subquery_step_ms: int = 60_000
    """The step of a subquery that gives none: the evaluation interval."""


PROMETHEUS_3 = Dialect()
PROMETHEUS_2 = Dialect(
    left_open=False, zero_limit_last=False, match_before_filter=False, lone_spread_is_zero=True
)
"""As Prometheus 2.42 evaluates."""


class Cancellation:
    """A way to stop a query from another thread, at once or at a time given beforehand."""

    def __init__(
        self, timeout_seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asked = threading.Event()
        self._clock = clock
        self._deadline = None if timeout_seconds is None else clock() + timeout_seconds

    def cancel(self) -> None:
        """Make the query raise `Cancelled` at its next step."""
        self._asked.set()

    def check(self) -> None:
        """Raise `Cancelled` if the query is to stop."""
        if self._asked.is_set():
            raise Cancelled("query was canceled in query execution")
        if self._deadline is not None and self._clock() >= self._deadline:
            raise Cancelled("query timed out in query execution")


class Budget:
    """What is left of the limits of one query."""

    def __init__(self, limits: Limits, cancellation: Cancellation) -> None:
        self.limits = limits
        self._cancellation = cancellation
        self._samples = limits.samples
        self._scanned = limits.scanned

    def check(self) -> None:
        """Raise `Cancelled` if the query is to stop."""
        self._cancellation.check()

    def hold(self, values: int) -> None:
        """Count values about to be held as a result."""
        self.check()
        self._samples -= values
        if self._samples < 0:
            raise LimitExceeded("query processing would load too many samples into memory in query execution")

    def scan(self, samples: int) -> None:
        """Count stored samples about to be read."""
        self.check()
        self._scanned -= samples
        if self._scanned < 0:
            raise LimitExceeded(f"query would read more than {self.limits.scanned} samples")

    def find(self, series: int) -> None:
        """Count the series that a selector found."""
        if series > self.limits.series:
            raise LimitExceeded(f"selector finds {series} series, more than {self.limits.series}")
