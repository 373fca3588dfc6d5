"""What the protos say about each RPC, read once from their descriptors.

Every RPC of ours states exactly one policy; one that does not is a start-up
error. RPCs of other people's protocols (health, reflection, OTLP) have no
options of ours and are public: their protocols carry no identity.
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FileDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from tillmesh.options.v1 import options_pb2

from servicekit.context import Role

OURS = "tillmesh."
DEFAULT_DEADLINE_SECONDS = 5.0
"""Deadline of a call whose caller names none, unless its RPC says otherwise."""


class PolicyMissing(Exception):
    """An RPC states no policy, or more than one."""


@dataclass(frozen=True, slots=True)
class MethodRule:
    """What holds for one RPC.

    Attributes:
        ours: True for our own API; other people's protocols begin and continue no traces here.
        path: As on the wire, such as `/tillmesh.orders.v1.OrdersService/GetOrder`.
        service: Full name of the service.
        method: Name of the RPC.
        public: True when anybody may call.
        internal: True when only peers of the mesh may call.
        roles: The roles that may call; empty means any signed-in user, where neither of the above.
        needs_key: True when a call without an idempotency key is refused.
        repeatable: True when the call may be sent again without harm.
        planned: Why the RPC is not there yet; empty when it is.
        deadline_seconds: For callers that name none.
        stream_seconds: The same for a stream of responses: only where the RPC states one, else none.
    """

    path: str
    service: str
    method: str
    ours: bool = True
    public: bool = False
    internal: bool = False
    roles: frozenset[Role] = frozenset()
    needs_key: bool = False
    repeatable: bool = False
    planned: str = ""
    deadline_seconds: float = DEFAULT_DEADLINE_SECONDS
    stream_seconds: float | None = None

    def admits(self, roles: frozenset[Role]) -> bool:
        """True when a signed-in user with these roles may call."""
        return not self.roles or Role.ADMIN in roles or not self.roles.isdisjoint(roles)


def rule_of(path: str) -> MethodRule:
    """The rule of the RPC with this path, among the protos that are loaded.

    Raises:
        PolicyMissing: One of our RPCs does not state exactly one policy.
    """
    service, _, method = path.lstrip("/").partition("/")
    if not service.startswith(OURS):
        return MethodRule(path, service, method, ours=False, public=True, repeatable=True)
    found = descriptor_pool.Default().FindServiceByName(service)
    return rule_from(found.methods_by_name[method])


def rules_in(file: FileDescriptor) -> list[MethodRule]:
    """The rules of every RPC that a proto file declares."""
    return [rule_from(method) for service in file.services_by_name.values() for method in service.methods]


def rule_from(descriptor: MethodDescriptor) -> MethodRule:
    """The rule that one descriptor declares."""
    options = descriptor.GetOptions()
    policy = options.Extensions[options_pb2.policy]
    if sum((policy.public, policy.internal, policy.signed_in, bool(policy.roles))) != 1:
        raise PolicyMissing(f"{descriptor.full_name} must state exactly one policy")
    stated_seconds = options.Extensions[options_pb2.default_deadline_ms] / 1000 or None
    service = descriptor.containing_service.full_name
    return MethodRule(
        path=f"/{service}/{descriptor.name}",
        service=service,
        method=descriptor.name,
        public=policy.public,
        internal=policy.internal,
        roles=frozenset(_role(number) for number in policy.roles),
        needs_key=options.Extensions[options_pb2.idempotency_key] == options_pb2.IDEMPOTENCY_KEY_REQUIRED,
        repeatable=options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN,
        planned=options.Extensions[options_pb2.planned],
        deadline_seconds=stated_seconds or DEFAULT_DEADLINE_SECONDS,
        stream_seconds=stated_seconds,
    )


def _role(number: options_pb2.Role.ValueType) -> Role:
    return Role[options_pb2.Role.Name(number).removeprefix("ROLE_")]
