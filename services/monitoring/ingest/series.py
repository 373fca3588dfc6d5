"""The last value of each series of each sender, and which senders are silent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from servicekit.clock import Clock
from services.monitoring.ingest.limits import Limits, fault
from services.monitoring.ingest.model import (
    Histogram,
    Labels,
    Push,
    Reading,
    Reason,
    Receipt,
    Refused,
    Sample,
    Sender,
)
from services.monitoring.ingest.ports import Signals

_BYTES_OF_A_BUCKET = 64
"""A float and an integer, and a place in a tuple for each."""


@dataclass(slots=True)
class _Kept:
    """What is kept of one sender. Series lie by name first: that is how they are asked for."""

    heard_at: float
    silent: bool = False
    series: dict[str, dict[Labels, Sample]] = field(default_factory=dict)
    size: int = 0
    weight: int = 0


class LastValues:
    """What was pushed last, in memory, bounded by `Limits`. Belongs to the loop.

    Senders are never forgotten for being silent, only when a new one needs the room.
    """

    def __init__(
        self, clock: Clock, signals: Signals, *, silent_after_seconds: float, limits: Limits | None = None
    ) -> None:
        self._clock = clock
        self._signals = signals
        self._silent_after_seconds = silent_after_seconds
        self._limits = limits or Limits()
        self._senders: dict[Sender, _Kept] = {}

    def receive(self, push: Push) -> Receipt:
        """Keep what can be kept, and say of every point what became of it."""
        refused_here = tuple(self._keep(push))
        receipt = Receipt(len(push.samples) - len(refused_here), (*push.refused, *refused_here))
        self._signals.points_received(receipt.accepted, receipt.refused)
        return receipt

    def silence(self) -> None:
        """Mark the senders that have not been heard for too long. Call it every second or so."""
        oldest = self._clock.monotonic() - self._silent_after_seconds
        for sender, kept in self._senders.items():
            if not kept.silent and kept.heard_at <= oldest:
                kept.silent = True
                self._signals.sender_fell_silent(sender)
        self._count_senders()

    def latest(self, name: str, labels: Labels = ()) -> Sequence[Reading]:
        """The last value of every series of that name whose labels include these, silent senders' too."""
        return [
            Reading(sender, sample, kept.silent)
            for sender, kept in self._senders.items()
            for sample in kept.series.get(name, {}).values()
            if set(labels) <= set(sample.labels)
        ]

    def _keep(self, push: Push) -> Iterator[Refused]:
        """Keep a push, yielding what was refused; exactly one for each sample that is not kept."""
        kept = self._hear(push.sender)
        if isinstance(kept, Reason):
            yield from (Refused(kept, sample.name) for sample in push.samples)
            return
        now_ns = int(self._clock.now().timestamp() * 1_000_000_000)
        for sample in push.samples:
            reason = fault(sample, self._limits, now_ns) or self._add(kept, sample)
            if reason is not None:
                yield Refused(reason, sample.name)

    def _add(self, kept: _Kept, sample: Sample) -> Reason | None:
        series = kept.series.get(sample.name, {})
        last = series.get(sample.labels)
        if last is not None and sample.time_ns < last.time_ns:
            return Reason.OUT_OF_ORDER
        size = kept.size + (last is None)
        weight = kept.weight + _weight(sample) - (_weight(last) if last else 0)
        if size > self._limits.series or weight > self._limits.weight:
            return Reason.TOO_MANY_SERIES
        kept.size, kept.weight = size, weight
        kept.series.setdefault(sample.name, series)[sample.labels] = sample
        return None

    def _hear(self, sender: Sender | None) -> _Kept | Reason:
        """What is kept of this sender, who is not silent now, or why nothing is."""
        if sender is None or any(len(part) > self._limits.value_length for part in sender):
            return Reason.UNIDENTIFIED_SENDER
        kept = self._senders.get(sender)
        if kept is None and not self._make_room():
            return Reason.TOO_MANY_SENDERS
        if kept is None or kept.silent:
            self._signals.sender_was_heard(sender)
        now = self._clock.monotonic()
        if kept is None:
            kept = self._senders[sender] = _Kept(now)
        kept.heard_at, kept.silent = now, False
        self._count_senders()
        return kept

    def _make_room(self) -> bool:
        """Forget the sender that has been silent longest, if room is needed. False if all are talking."""
        if len(self._senders) < self._limits.senders:
            return True
        silent = [sender for sender, kept in self._senders.items() if kept.silent]
        if not silent:
            return False
        del self._senders[min(silent, key=lambda sender: self._senders[sender].heard_at)]
        return True

    def _count_senders(self) -> None:
        silent = sum(kept.silent for kept in self._senders.values())
        self._signals.senders(heard=len(self._senders) - silent, silent=silent)


def _weight(sample: Sample) -> int:
    """About how much memory a series takes, beyond a fixed amount: characters, and bytes of buckets."""
    characters = len(sample.name) + sum(len(name) + len(value) for name, value in sample.labels)
    buckets = len(sample.value.counts) if isinstance(sample.value, Histogram) else 0
    return characters + _BYTES_OF_A_BUCKET * buckets
