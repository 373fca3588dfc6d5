"""The mesh as it is now: answered from memory, changed by what is heard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from servicekit.clock import Clock
from services.monitoring.mesh.history import History
from services.monitoring.mesh.model import Health, Heard, Mesh, Report, Silent, Transition, draw
from services.monitoring.mesh.ports import Signals


class MeshView:
    """What is known of each service, as one graph. Belongs to the loop."""

    def __init__(self, services: Iterable[str], clock: Clock, history: History, signals: Signals) -> None:
        self._clock = clock
        self._history = history
        self._signals = signals
        self._reports: dict[str, Report] = dict.fromkeys(services, Silent("not heard yet"))
        self._mesh = draw(self._reports, {}, clock.now())

    def now(self) -> Mesh:
        """The mesh, as of the last word from any service."""
        return self._mesh

    def hear(self, service: str, health: Health) -> None:
        """A service said how it is."""
        self._learn(service, Heard(health))

    def lose(self, service: str, reason: str) -> None:
        """A service cannot be heard: it is UNKNOWN from now on."""
        self._learn(service, Silent(reason, frozenset(self._reports[service].needs)))

    def _learn(self, service: str, report: Report) -> None:
        now = self._clock.now()
        if report == self._reports[service]:
            self._mesh = replace(self._mesh, as_of=now)
            return
        self._reports[service] = report
        before = {node.name: node for node in self._mesh.nodes}
        self._mesh = draw(self._reports, before, now)
        for node in self._mesh.nodes:
            was = before.get(node.name)
            if was is None or was.state is not node.state:
                transition = Transition(node.name, node.state, node.since)
                self._history.add(transition)
                self._signals.node_changed(transition, node.reason)
        self._signals.mesh_changed(self._mesh)
