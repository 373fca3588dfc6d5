"""Everybody who pushes: who is heard, who fell silent, and which series ended without saying so.

Belongs to the loop. Bounded by `Limits`; senders are never forgotten for being silent,
only when a new one needs the room.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from servicekit.clock import Clock
from services.monitoring.ingest.desk import Batch, Desk
from services.monitoring.ingest.limits import Allowance, Limits
from services.monitoring.ingest.model import Metric, Protocol, Reason, Receipt, Refused, Sender
from services.monitoring.ingest.ports import Signals
from services.monitoring.windows import STALE, Cohort, Windows

PATIENCE_SECONDS = {Protocol.OTLP: 20.0, Protocol.REMOTE_WRITE: 60.0}
"""Until a sender counts as silent: four pushes of servicekit's; a Prometheus writes at most each minute."""

_SETTLING_SECONDS = 1.0
"""From a push until what it lacked counts as ended: the rest may come in another request."""
_LEAST_GAP_MS = 1_000


class Intake:
    """Takes pushes from any sender into the store."""

    def __init__(
        self, windows: Windows, clock: Clock, signals: Signals, *, limits: Limits | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.metrics: dict[str, Metric] = {}
        """What is known of each metric, by its name in Prometheus."""
        self._windows = windows
        self._clock = clock
        self._signals = signals
        self._desks: dict[Sender, Desk] = {}
        self._generation = windows.generation

    def adopt(self, cohorts: Iterable[Cohort]) -> None:
        """Expect the senders of what an earlier process left, as if they had pushed just now."""
        for cohort in cohorts:
            desk = self._made(Sender(cohort[1], cohort[2], Protocol(cohort[0])))
            self._desks.setdefault(desk.sender, desk).cohorts.add(cohort)

    def open(self, sender: Sender) -> Batch | Reason:
        """Begin to take points of a sender, or say why none are taken."""
        if not sender.job or any(len(part) > self.limits.value_length for part in sender):
            return Reason.UNIDENTIFIED_SENDER
        desk = self._desks.get(sender)
        if desk is None and not self._make_room():
            return Reason.TOO_MANY_SENDERS
        if desk is None or desk.silent:
            self._signals.sender_was_heard(sender)
        if desk is None:
            desk = self._desks[sender] = self._made(sender)
        desk.heard_at, desk.silent = self._clock.monotonic(), False
        self._forget_numbers()
        if desk.remembered > 2 * self.limits.series:  # one series may be written in many ways
            desk.forget_numbers()
        self._count_senders()
        return Batch(desk, self._windows, self.limits)

    def close(self, batch: Batch) -> Receipt:
        """Keep what was gathered."""
        now_ms = int(self._clock.now().timestamp() * 1000)
        receipt = batch.close(now_ms, self._clock.monotonic())
        self._signals.points_received(batch.desk.sender.protocol, receipt.accepted, receipt.refused)
        return receipt

    def refuse(self, protocol: Protocol, refused: Iterable[Refused]) -> Receipt:
        """Take nothing."""
        receipt = Receipt(0, tuple(refusal for refusal in refused if refusal.points))
        self._signals.points_received(protocol, 0, receipt.refused)
        return receipt

    def describe(self, name: str, metric: Metric) -> None:
        """Remember what a metric is."""
        if name in self.metrics or len(self.metrics) < self.limits.metrics:
            self.metrics[name] = metric

    def look(self) -> None:
        """Mark the series that ended: of silent senders all, of others those they tell no more.

        Call it every second or so.
        """
        now = self._clock.monotonic()
        for desk in self._desks.values():
            if not desk.silent and desk.heard_at <= now - desk.patience_seconds:
                self._silence(desk)
            elif (
                desk.tells_all and desk.swept_ms < desk.newest_ms and desk.heard_at <= now - _SETTLING_SECONDS
            ):
                self._sweep(desk)
        self._windows.rest(now)
        self._count_senders()

    def _silence(self, desk: Desk) -> None:
        """End everything a sender had, when its next sample would have been due."""
        desk.silent = True
        desk.forget_numbers()
        live = self._windows.live(desk.cohorts)
        newest, gaps = self._windows.newest(live)
        self._end(live, newest + np.maximum(gaps, 1))
        desk.live = 0
        self._signals.sender_fell_silent(desk.sender)

    def _sweep(self, desk: Desk) -> None:
        """End what the newest push lacked."""
        live = self._windows.live(desk.cohorts)
        newest, gaps = self._windows.newest(live)
        period_ms = desk.newest_ms - desk.swept_ms if desk.swept_ms else 0
        # A series of each minute is missed once it should have come, not at each push of 5 s before.
        has_ended = newest <= desk.newest_ms - np.maximum(gaps - period_ms // 2, _LEAST_GAP_MS)
        ended = live[has_ended]
        self._end(ended, np.full(ended.size, desk.newest_ms, np.int64))
        desk.swept_ms = desk.newest_ms
        desk.live = live.size - ended.size

    def _end(self, numbers: NDArray[np.int64], times: NDArray[np.int64]) -> None:
        self._windows.append(numbers, times, np.full(numbers.size, STALE), now=self._clock.monotonic())

    def _made(self, sender: Sender) -> Desk:
        now = self._clock.monotonic()
        return Desk(
            sender,
            Allowance(self.limits.samples_per_second, now),
            PATIENCE_SECONDS[sender.protocol],
            tells_all=sender.protocol is Protocol.OTLP,
            heard_at=now,
        )

    def _forget_numbers(self) -> None:
        """Numbers that were remembered may be nobody's, once the store has forgotten series."""
        if self._generation != self._windows.generation:
            self._generation = self._windows.generation
            for desk in self._desks.values():
                desk.forget_numbers()

    def _make_room(self) -> bool:
        """Forget the sender that has been silent longest, if room is needed. False if all are talking."""
        if len(self._desks) < self.limits.senders:
            return True
        silent = [sender for sender, desk in self._desks.items() if desk.silent]
        if not silent:
            return False
        del self._desks[min(silent, key=lambda sender: self._desks[sender].heard_at)]
        return True

    def _count_senders(self) -> None:
        silent = sum(desk.silent for desk in self._desks.values())
        self._signals.senders(heard=len(self._desks) - silent, silent=silent)
