"""What the protos say about each RPC."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from tillmesh.options.v1 import options_pb2
from tillmesh.orders.v1 import orders_pb2

from servicekit.context import Role
from servicekit.methods import MethodRule, PolicyMissing, rule_from, rule_of, rules_in
from tests.servicekit.lab import LAB, SERVICE


def rule(method: str) -> MethodRule:
    return rule_of(f"/{SERVICE}/{method}")


def test_the_policy_of_each_rpc_is_read() -> None:
    assert rule("Open").public
    assert rule("Inside").internal
    assert rule("Managed").roles == {Role.MANAGER, Role.ENGINEER}
    signed_in = rule("SignedIn")
    assert (signed_in.public, signed_in.internal, signed_in.roles) == (False, False, frozenset())


def test_an_rpc_is_repeatable_only_where_it_says_so() -> None:
    assert rule("Open").repeatable
    assert not rule("Once").repeatable


def test_deadlines_are_in_seconds_and_have_a_default() -> None:
    assert rule("Brief").deadline_seconds == 0.15
    assert rule("Open").deadline_seconds == 5


def test_keys_and_plans_are_read() -> None:
    assert rule("Keyed").needs_key
    assert rule("Flying").planned == "S99 flying tills"
    assert not rule("Open").needs_key
    assert rule("Open").planned == ""


def test_a_path_is_as_on_the_wire() -> None:
    (create,) = [each for each in rules_in(orders_pb2.DESCRIPTOR) if each.method == "CreateOrder"]

    assert create.path == "/tillmesh.orders.v1.OrdersService/CreateOrder"
    assert create == rule_of(create.path)


def test_every_rpc_of_a_file_has_its_rule() -> None:
    methods = LAB.services_by_name["LabService"].methods_by_name

    assert {each.method for each in rules_in(LAB)} == set(methods)


def test_protocols_of_others_are_public_and_repeatable() -> None:
    check = rule_of("/grpc.health.v1.Health/Check")

    assert (check.ours, check.public, check.repeatable) == (False, True, True)
    assert (check.service, check.method) == ("grpc.health.v1.Health", "Check")


@pytest.mark.parametrize(
    ("roles", "admitted"),
    [
        ({Role.MANAGER}, True),
        ({Role.CUSTOMER, Role.ENGINEER}, True),
        ({Role.ADMIN}, True),
        ({Role.CASHIER}, False),
        (set(), False),
    ],
)
def test_an_admin_may_do_what_others_may(roles: set[Role], admitted: bool) -> None:
    assert rule("Managed").admits(frozenset(roles)) is admitted


@pytest.mark.parametrize(
    ("number", "policy"),
    [
        (0, options_pb2.Policy()),
        (1, options_pb2.Policy(public=True, signed_in=True)),
        (2, options_pb2.Policy(internal=True, roles=[options_pb2.ROLE_MANAGER])),
    ],
)
def test_an_rpc_states_exactly_one_policy(number: int, policy: options_pb2.Policy) -> None:
    with pytest.raises(PolicyMissing, match=r"Service\.Go must state exactly one policy"):
        rule_from(described(number, policy))


def described(number: int, policy: options_pb2.Policy) -> MethodDescriptor:
    empty = ".google.protobuf.StringValue"
    method = descriptor_pb2.MethodDescriptorProto(name="Go", input_type=empty, output_type=empty)
    method.options.Extensions[options_pb2.policy].CopyFrom(policy)
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tests/servicekit/policy{number}.proto",
        package=f"tests.policy{number}",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto", options_pb2.DESCRIPTOR.name],
        service=[descriptor_pb2.ServiceDescriptorProto(name="Service", method=[method])],
    )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(f"tests.policy{number}.Service").methods_by_name["Go"]
