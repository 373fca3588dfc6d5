"""What must hold for every RPC of ours, whichever service has it."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from tillmesh.options.v1 import options_pb2

from servicekit.methods import PolicyMissing, rule_from

ROOT = Path(__file__).parents[2]

PLANNED = {
    "tillmesh.auth.v1.SecurityService.ListSecurityEvents",
    "tillmesh.auth.v1.SecurityService.VerifyAudit",
    "tillmesh.monitoring.v1.AlertsService.AcknowledgeAlert",
    "tillmesh.monitoring.v1.AlertsService.CreateSilence",
    "tillmesh.monitoring.v1.AlertsService.EscalateAlert",
    "tillmesh.monitoring.v1.AlertsService.ListAlerts",
    "tillmesh.monitoring.v1.AlertsService.ListSilences",
    "tillmesh.monitoring.v1.MeshService.WatchMesh",
    "tillmesh.monitoring.v1.ObjectivesService.ListBudgets",
    "tillmesh.monitoring.v1.ObjectivesService.ListSlos",
    "tillmesh.monitoring.v1.TelemetryService.GetTrace",
    "tillmesh.monitoring.v1.TelemetryService.ListApiVersions",
    "tillmesh.monitoring.v1.TelemetryService.ListTraces",
}
"""Every RPC that is not there yet. Building one removes it here and its `planned` option."""

SIGN_IN = {"tillmesh.auth.v1.AuthService.Login", "tillmesh.auth.v1.AuthService.Refresh"}
"""They make something new each time, on purpose: repeating one harms nobody."""


def _released() -> descriptor_pb2.FileDescriptorSet:
    return descriptor_pb2.FileDescriptorSet.FromString((ROOT / "protos/released.binpb").read_bytes())


def _protos() -> list[str]:
    return sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos").rglob("*.proto"))


def _methods() -> list[MethodDescriptor]:
    pool = descriptor_pool.Default()
    for proto in _protos():
        __import__(proto.removesuffix(".proto").replace("/", ".") + "_pb2")
    files = [pool.FindFileByName(proto) for proto in _protos()]
    return [
        method for file in files for service in file.services_by_name.values() for method in service.methods
    ]


METHODS = {method.full_name: method for method in _methods()}


def test_nothing_that_is_planned_is_forgotten() -> None:
    planned = {name for name, method in METHODS.items() if rule_from(method).planned}

    assert planned == PLANNED


@pytest.mark.parametrize("name", METHODS)
def test_every_rpc_says_who_may_call_it(name: str) -> None:
    rule = rule_from(METHODS[name])

    assert rule.path == f"/{name.rpartition('.')[0]}/{METHODS[name].name}"


@pytest.mark.parametrize("name", METHODS)
def test_every_rpc_but_the_internal_ones_and_streams_of_requests_has_a_route(name: str) -> None:
    routed = METHODS[name].GetOptions().HasExtension(annotations_pb2.http)

    is_for_grpc_alone = rule_from(METHODS[name]).internal or METHODS[name].client_streaming
    assert routed != is_for_grpc_alone


@pytest.mark.parametrize("name", METHODS)
def test_every_rpc_that_is_not_repeatable_names_its_attempt(name: str) -> None:
    rule = rule_from(METHODS[name])

    assert rule.repeatable or rule.needs_key or name in SIGN_IN


@pytest.mark.parametrize("name", METHODS)
def test_what_is_read_is_got_and_what_is_got_changes_nothing(name: str) -> None:
    options = METHODS[name].GetOptions()
    http = options.Extensions[annotations_pb2.http]

    reads = options.idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    assert (http.WhichOneof("pattern") == "get") == (reads and not rule_from(METHODS[name]).internal)


def test_an_rpc_without_a_policy_is_refused() -> None:
    pool = descriptor_pool.DescriptorPool()
    proto = descriptor_pb2.FileDescriptorProto(name="open.proto", package="tillmesh.test", syntax="proto3")
    proto.message_type.add(name="Empty")
    proto.service.add(name="OpenService").method.add(
        name="Do", input_type=".tillmesh.test.Empty", output_type=".tillmesh.test.Empty"
    )
    pool.Add(proto)
    method = pool.FindServiceByName("tillmesh.test.OpenService").methods_by_name["Do"]

    with pytest.raises(PolicyMissing, match=r"OpenService\.Do"):
        rule_from(method)


def test_the_released_image_holds_every_file_of_ours() -> None:
    released = {file.name for file in _released().file if file.name.startswith("tillmesh/")}

    assert released <= set(_protos())


def test_secrets_are_marked_as_such() -> None:
    secret_words = ("password", "token", "payment_method", "key")
    innocent = {"token_type", "page_token", "next_page_token"}
    unmarked = [
        field.full_name
        for method in METHODS.values()
        for message in (method.input_type, method.output_type)
        for field in message.fields
        if field.name.endswith(secret_words)
        and field.name not in innocent
        and not field.GetOptions().Extensions[options_pb2.sensitive]
    ]

    assert unmarked == []
