"""The mesh to protobuf, and what services publish to the words of the mesh. Total."""

from __future__ import annotations

from grpc_health.v1 import health_pb2
from tillmesh.monitoring.v1 import mesh_pb2 as pb

from services.monitoring.mesh import Edge, Health, Mesh, Node, NodeState

_STATES = {
    NodeState.SERVING: pb.NODE_STATE_SERVING,
    NodeState.NOT_SERVING: pb.NODE_STATE_NOT_SERVING,
    NodeState.UNKNOWN: pb.NODE_STATE_UNKNOWN,
}
_STATUSES = {
    health_pb2.HealthCheckResponse.SERVING: NodeState.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING: NodeState.NOT_SERVING,
}


def health(statuses: health_pb2.HealthListResponse) -> Health:
    """What a service publishes, by name."""
    return {name: state(answer) for name, answer in statuses.statuses.items()}


def state(answer: health_pb2.HealthCheckResponse) -> NodeState:
    """One status; whatever says neither yes nor no is UNKNOWN."""
    return _STATUSES.get(answer.status, NodeState.UNKNOWN)


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
