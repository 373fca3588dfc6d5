"""The mesh to protobuf, and what services publish to the words of the mesh. Total."""

from __future__ import annotations

import json

from grpc_health.v1 import health_pb2
from tillmesh.monitoring.v1 import mesh_pb2 as pb

from services.monitoring.mesh import SERVER, Edge, Health, Mesh, Node, NodeState

_STATES = {
    NodeState.SERVING: pb.NODE_STATE_SERVING,
    NodeState.NOT_SERVING: pb.NODE_STATE_NOT_SERVING,
    NodeState.UNKNOWN: pb.NODE_STATE_UNKNOWN,
}
_STATUSES = {
    health_pb2.HealthCheckResponse.SERVING: NodeState.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING: NodeState.NOT_SERVING,
}
_CHECK_STATES = {"pass": NodeState.SERVING, "warn": NodeState.SERVING, "fail": NodeState.NOT_SERVING}
"""A page that warns still serves (section 3.1)."""


def health(statuses: health_pb2.HealthListResponse) -> Health:
    """What a service publishes, by name."""
    return {name: state(answer) for name, answer in statuses.statuses.items()}


def state(answer: health_pb2.HealthCheckResponse) -> NodeState:
    """One status; whatever says neither yes nor no is UNKNOWN."""
    return _STATUSES.get(answer.status, NodeState.UNKNOWN)


def health_of_page(whole: NodeState, body: bytes) -> Health:
    """What a health page publishes: itself, and the `checks` of its body where it has any.

    Source: draft-inadarei-api-health-check-06. What cannot be read is left out.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    checks = document.get("checks") if isinstance(document, dict) else None
    if not isinstance(checks, dict):
        return {SERVER: whole}
    return {name: _worst(told) for name, told in checks.items()} | {SERVER: whole}


def _worst(told: object) -> NodeState:
    """A check may be told by several parts: one that fails is enough."""
    parts = told if isinstance(told, list) else []
    states = {_CHECK_STATES.get(str(part.get("status"))) for part in parts if isinstance(part, dict)}
    for state in (NodeState.NOT_SERVING, NodeState.SERVING):
        if state in states:
            return state
    return NodeState.UNKNOWN


def mesh(mesh: Mesh) -> pb.Mesh:
    """The whole graph."""
    encoded = pb.Mesh(
        nodes=map(_node, mesh.nodes), edges=map(_edge, mesh.edges), root_causes=mesh.root_causes
    )
    encoded.as_of.FromDatetime(mesh.as_of)
    return encoded


def _node(node: Node) -> pb.Node:
    health = {name: state.value for name, state in node.health.items()}
    encoded = pb.Node(name=node.name, state=_STATES[node.state], health=health, reason=node.reason)
    encoded.since.FromDatetime(node.since)
    return encoded


def _edge(edge: Edge) -> pb.Edge:
    return pb.Edge(source=edge.source, target=edge.target, state=_STATES[edge.state])
