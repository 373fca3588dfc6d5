"""The graph of who needs whom, drawn from what services say of themselves: all of it pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

SERVER = ""
"""The health name of a service as a whole (grpc/doc/health-checking.md)."""

_DEPENDENCY = "dependency/"
"""Before the name of each thing that a service needs, as servicekit publishes it."""


class NodeState(StrEnum):
    """How a node is."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    UNKNOWN = "UNKNOWN"
    """Cannot be heard: neither healthy nor failed, just not known."""


Health = Mapping[str, NodeState]
"""What one service publishes, by health name."""


@dataclass(frozen=True)
class Heard:
    """A service that answers: what it says."""

    health: Health

    @property
    def needs(self) -> dict[str, NodeState]:
        """What the service needs, as it sees it."""
        return {
            name.removeprefix(_DEPENDENCY): state
            for name, state in self.health.items()
            if name.startswith(_DEPENDENCY)
        }


@dataclass(frozen=True)
class Silent:
    """A service that does not answer: why, and what it was last known to need."""

    reason: str
    needed: frozenset[str] = frozenset()

    @property
    def needs(self) -> dict[str, NodeState]:
        """What the service needed when it was last heard; how it sees that now is not known."""
        return dict.fromkeys(self.needed, NodeState.UNKNOWN)


Report = Heard | Silent
"""The last word on one service."""


@dataclass(frozen=True)
class Node:
    """A service, or something that a service needs.

    Attributes:
        name: Unique in the mesh.
        state: How it is.
        since: When it came to be so, as far as we know.
        health: What it publishes; empty for what has no health protocol or cannot be heard.
        reason: Why it is not SERVING, for a person; empty otherwise.
    """

    name: str
    state: NodeState
    since: datetime
    health: Health = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, order=True)
class Edge:
    """`source` needs `target`, and sees it in `state`."""

    source: str
    target: str
    state: NodeState


@dataclass(frozen=True)
class Mesh:
    """All of it at one moment, in the order of names.

    Attributes:
        nodes: Services, and what they need.
        edges: Who needs whom.
        root_causes: The failing nodes that no other failing node explains.
        as_of: When this was last learnt or confirmed.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    root_causes: tuple[str, ...]
    as_of: datetime


@dataclass(frozen=True)
class Transition:
    """A node came to be in a state."""

    node: str
    state: NodeState
    since: datetime


def draw(reports: Mapping[str, Report], before: Mapping[str, Node], now: datetime) -> Mesh:
    """The mesh that these reports describe; a node that is as it was keeps its `since`."""
    edges = tuple(
        sorted(
            Edge(source, target, state)
            for source, report in reports.items()
            for target, state in report.needs.items()
            if target != source
        )
    )
    services = (_service(name, report, now) for name, report in reports.items())
    things = (_thing(name, edges, now) for name in {edge.target for edge in edges} - reports.keys())
    nodes = sorted((*services, *things), key=lambda node: node.name)
    aged = tuple(_aged(node, before.get(node.name)) for node in nodes)
    causes = root_causes({node.name: node.state for node in aged}, edges)
    return Mesh(aged, edges, causes, now)


def root_causes(states: Mapping[str, NodeState], edges: Iterable[Edge]) -> tuple[str, ...]:
    """The failing nodes that no other failing node explains, by name.

    A node fails when it says so, or when it cannot be heard and somebody who needs it
    says so for it. A failing node explains one that needs it, and sees it failing.
    Nodes that explain each other in a circle, and are explained by nobody else, are
    causes together: nothing tells which was first.
    """
    edges = [edge for edge in edges if edge.state is NodeState.NOT_SERVING]
    accused = {edge.target for edge in edges}
    failing = {
        name
        for name, state in states.items()
        if state is NodeState.NOT_SERVING or (state is NodeState.UNKNOWN and name in accused)
    }
    explained_by = defaultdict(set)
    for edge in edges:
        if edge.source in failing and edge.target in failing:
            explained_by[edge.source].add(edge.target)
    reach = {name: _reachable(name, explained_by) for name in failing}
    return tuple(sorted(name for name in failing if all(name in reach[other] for other in reach[name])))


def _reachable(start: str, steps: Mapping[str, Collection[str]]) -> set[str]:
    """Every node that can be reached in one step or more."""
    reached: set[str] = set()
    ahead = list(steps.get(start, ()))
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            ahead += steps.get(name, ())
    return reached


def _service(name: str, report: Report, now: datetime) -> Node:
    if isinstance(report, Silent):
        return Node(name, NodeState.UNKNOWN, now, reason=report.reason)
    state = report.health.get(SERVER, NodeState.UNKNOWN)
    return Node(name, state, now, report.health, _complaint(state, report.health))


def _complaint(state: NodeState, health: Health) -> str:
    """Why a service that answers is not SERVING, in its own words."""
    if state is NodeState.SERVING:
        return ""
    if state is NodeState.UNKNOWN:
        return "answers, but does not say whether it serves"
    failing = sorted(name for name, state in health.items() if name and state is NodeState.NOT_SERVING)
    return f"says that it does not serve ({', '.join(failing) or 'and nothing more'})"


def _thing(name: str, edges: Iterable[Edge], now: datetime) -> Node:
    """What speaks no health protocol is as those who use it say; one who says that it fails is enough."""
    views = {edge.source: edge.state for edge in edges if edge.target == name}
    failing = sorted(_users(views, NodeState.NOT_SERVING))
    if failing:
        return Node(name, NodeState.NOT_SERVING, now, reason=f"does not answer {', '.join(failing)}")
    if any(_users(views, NodeState.SERVING)):
        return Node(name, NodeState.SERVING, now)
    return Node(name, NodeState.UNKNOWN, now, reason="nobody who uses it can be heard")


def _users(views: Mapping[str, NodeState], state: NodeState) -> Iterator[str]:
    return (user for user, seen in views.items() if seen is state)


def _aged(node: Node, before: Node | None) -> Node:
    if before is None or before.state is not node.state:
        return node
    return Node(node.name, node.state, before.since, node.health, node.reason)
