"""The health of all services as one graph: who is how, who needs whom, and what is to blame.

Owns what is known of each service; promises that what cannot be heard is UNKNOWN,
never healthy and never failed, and that `since` moves only with the state; refuses
to guess. Knows no protocol and no store.
"""

from services.monitoring.mesh.history import History
from services.monitoring.mesh.model import (
    SERVER,
    Edge,
    Health,
    Mesh,
    Node,
    NodeState,
    Transition,
    root_causes,
)
from services.monitoring.mesh.ports import HealthSource, Signals, TransitionStore
from services.monitoring.mesh.view import MeshView

__all__ = [
    "SERVER",
    "Edge",
    "Health",
    "HealthSource",
    "History",
    "Mesh",
    "MeshView",
    "Node",
    "NodeState",
    "Signals",
    "Transition",
    "TransitionStore",
    "root_causes",
]
