"""The table of routes, and what is refused when the process starts."""

from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf.descriptor import FileDescriptor

from gateway.matching import Paths
from gateway.routes import BadRoute, Route, add_routes, our_files, peer_of
from servicekit.methods import rule_from
from tests.gateway.protos import PROTOS, compiled_rpc

INTERNAL = "option (tillmesh.options.v1.policy) = {internal: true};"
PUBLIC = "option (tillmesh.options.v1.policy) = {public: true};"


def table_of(*files: FileDescriptor) -> Paths[Route]:
    table: Paths[Route] = Paths()
    add_routes(table, files)
    return table


def test_every_proto_of_the_api_is_found() -> None:
    written = {str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto")}

    assert {file.name for file in our_files()} == written


def test_every_rpc_for_clients_is_routed_and_no_internal_one() -> None:
    table_of(*our_files())

    for file in our_files():
        for service in file.services_by_name.values():
            for method in service.methods:
                has_route = method.GetOptions().HasExtension(annotations_pb2.http)
                is_for_grpc_alone = rule_from(method).internal or method.client_streaming
                assert has_route != is_for_grpc_alone, method.full_name


def test_a_route_knows_its_rpc() -> None:
    route = table_of(*our_files()).find("POST", "/v1/orders").target

    assert route.rpc.rule.path == "/tillmesh.orders.v1.OrdersService/CreateOrder"
    assert route.rpc.peer == "orders"
    assert route.rpc.reads_key
    assert route.rpc.deadline_seconds == 10
    assert route.takes_whole_body
    assert route.response_field is not None
    assert route.response_field.name == "order"


def test_a_stream_has_no_deadline_of_its_own() -> None:
    route = table_of(*our_files()).find("GET", "/v1/mesh:watch").target

    assert route.rpc.is_streaming
    assert route.rpc.deadline_seconds is None


def test_the_peer_of_a_file_stands_in_its_package() -> None:
    assert {peer_of(file) for file in our_files() if file.services_by_name} == {
        "auth",
        "monitoring",
        "orders",
        "payments",
    }


def test_additional_bindings_are_routes_too(tmp_path: Path) -> None:
    file = compiled_rpc(tmp_path, 'get: "/t/a/{id}" additional_bindings { put: "/t/b/{id}" body: "*" }')

    table = table_of(file)

    assert table.find("GET", "/t/a/1").target.reads_body is False
    assert table.find("PUT", "/t/b/1").target.takes_whole_body


@pytest.mark.parametrize(
    ("http", "options", "fault"),
    [
        ('get: "/t/{id"', "", r"column 7 of '/t/\{id': expected '\}'"),
        ('get: "t"', "", "column 1"),
        ('get: "/t/{nobody}"', "", "GoRequest has no field 'nobody'"),
        ('get: "/t/{inner.nobody}"', "", "inner has no field 'nobody'"),
        ('get: "/t/{id.sku}"', "", "id has no field 'sku'"),
        ('get: "/t/{many}"', "", "column 4: 'many' is repeated or a message"),
        ('get: "/t/{inner}"', "", "column 4: 'inner' is repeated or a message"),
        ('post: "/t" body: "nobody"', "", "GoRequest has no field 'nobody'"),
        ('post: "/t" body: "inner.sku"', "", "GoRequest has no field 'inner.sku'"),
        ('get: "/t" body: "*"', "", "GET has no body"),
        ('get: "/t" response_body: "nobody"', "", "GoResponse has no field 'nobody'"),
        ('body: "*" additional_bindings { get: "/t" }', "", "a binding has no pattern"),
        ('get: "/t" additional_bindings { body: "*" }', "", "a binding has no pattern"),
        (
            'get: "/t" additional_bindings { get: "/u" additional_bindings { get: "/w" } }',
            "",
            "may not hold further",
        ),
        ('custom { kind: "HEAD" path: "/t" }', "", "HEAD is answered by the gateway"),
        ('get: "/t" additional_bindings { get: "/t" }', "", "is shadowed by '/t'"),
        ('get: "/t"', INTERNAL, "is internal"),
        (
            'get: "/t"',
            PUBLIC + 'option (tillmesh.options.v1.lifecycle) = {deprecated_on: "soon"};',
            "'soon' is no day",
        ),
        (
            'get: "/t"',
            PUBLIC + 'option (tillmesh.options.v1.lifecycle) = {sunset_on: "2030-01-01"};',
            "a sunset needs a deprecation",
        ),
        (
            'get: "/t"',
            PUBLIC + 'option (tillmesh.options.v1.created_location) = "/t/{nobody}";',
            "GoResponse has no field 'nobody'",
        ),
        (
            'get: "/t" response_body: "id"',
            PUBLIC + 'option (tillmesh.options.v1.created_location) = "/t/{id}";',
            "an answer that is a message",
        ),
    ],
)
def test_a_binding_that_could_not_work_is_refused(
    tmp_path: Path, http: str, options: str, fault: str
) -> None:
    file = compiled_rpc(tmp_path, http, options=options)
    with pytest.raises(BadRoute, match=fault) as refused:
        table_of(file)

    assert str(refused.value).startswith(f"{file.name}: {file.package}.GoService.Go: ")


def test_an_rpc_that_streams_requests_is_refused(tmp_path: Path) -> None:
    file = compiled_rpc(tmp_path, 'post: "/t" body: "*"', streams="stream")

    with pytest.raises(BadRoute, match="streams its requests"):
        table_of(file)


def test_two_rpcs_cannot_share_a_path(tmp_path: Path) -> None:
    first = compiled_rpc(tmp_path, 'get: "/t/{id}"')
    second = compiled_rpc(tmp_path, 'get: "/t/{inner.sku}"')

    with pytest.raises(BadRoute, match="is shadowed by"):
        table_of(first, second)
