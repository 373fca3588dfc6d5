"""What is known of each request afterwards."""

import json
from ipaddress import ip_network

import pytest
from opentelemetry.trace import SpanKind

from servicekit import logs
from tests.gateway.house import House, open_house
from tests.gateway.shelf import SHELF

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = f"{REMOTE[:-2]}00"
LOOPBACK = (ip_network("127.0.0.0/8"),)
PATH = "/v1/books:search?pageSize=1"


def seen_traceparent(house: House) -> str:
    return house.backend.seen[-1].metadata["traceparent"]


async def test_a_sampled_request_has_one_span_and_the_service_is_in_its_trace() -> None:
    async with open_house([SHELF], sample_ratio=1) as house:
        await house.client.get(PATH, headers={"x-request-id": "r1"})

        server, *_ = [span for span in house.spans.get_finished_spans() if span.kind is SpanKind.SERVER]
        assert server.name == "GET /v1/books:search"
        assert server.parent is None
        assert server.attributes is not None
        assert server.attributes["http.response.status_code"] == 200
        assert server.attributes["tillmesh.request_id"] == "r1"
        assert seen_traceparent(house)[3:35] == f"{server.context.trace_id:032x}"


async def test_an_unsampled_request_has_no_span_but_one_trace_id() -> None:
    async with open_house([SHELF], sample_ratio=0) as house:
        await house.client.get(PATH)

        assert house.spans.get_finished_spans() == ()
        assert seen_traceparent(house).endswith("-00")


async def test_a_stranger_s_trace_is_linked_and_not_adopted() -> None:
    async with open_house([SHELF], sample_ratio=1) as house:
        await house.client.get(PATH, headers={"traceparent": REMOTE})

        server = house.spans.get_finished_spans()[-1]
        assert REMOTE[3:35] not in seen_traceparent(house)
        assert [f"{link.context.trace_id:032x}" for link in server.links] == [REMOTE[3:35]]


async def test_a_stranger_cannot_have_a_trace_recorded() -> None:
    async with open_house([SHELF], sample_ratio=0) as house:
        await house.client.get(PATH, headers={"traceparent": REMOTE})

        assert house.spans.get_finished_spans() == ()
        assert REMOTE[3:35] not in seen_traceparent(house)


@pytest.mark.parametrize(("traceparent", "spans"), [(REMOTE, 2), (UNSAMPLED, 0)])
async def test_a_trace_of_a_trusted_network_is_adopted(traceparent: str, spans: int) -> None:
    async with open_house([SHELF], sample_ratio=0.5, trusted=LOOPBACK) as house:
        await house.client.get(PATH, headers={"traceparent": traceparent})

        assert seen_traceparent(house)[3:35] == REMOTE[3:35]
        assert len(house.spans.get_finished_spans()) == spans


async def test_a_stranger_behind_a_trusted_proxy_is_a_stranger() -> None:
    async with open_house([SHELF], sample_ratio=0, trusted=LOOPBACK) as house:
        await house.client.get(PATH, headers={"traceparent": REMOTE, "x-forwarded-for": "203.0.113.5"})

        assert REMOTE[3:35] not in seen_traceparent(house)


@pytest.mark.parametrize(
    "traceparent", ["", "nonsense", f"{REMOTE}-more", "00-" + "0" * 32 + "-b7ad6b7169203331-01"]
)
async def test_a_malformed_trace_is_no_trace(traceparent: str) -> None:
    async with open_house([SHELF], sample_ratio=1, trusted=LOOPBACK) as house:
        await house.client.get(PATH, headers={"traceparent": traceparent})

        assert house.spans.get_finished_spans()[-1].links == ()


async def test_probes_make_no_spans() -> None:
    async with open_house([SHELF], sample_ratio=1) as house:
        await house.client.get("/health/live")

        assert house.spans.get_finished_spans() == ()


async def test_durations_are_counted_by_route_method_and_status(shelf: House) -> None:
    await shelf.client.get(PATH)
    await shelf.client.get("/v1/books:search?nobody=1")
    await shelf.client.get("/made/up/path")

    def count(route: str, status: str) -> float | None:
        labels = {
            "http_route": route,
            "http_request_method": "GET",
            "http_response_status_code": status,
        }
        name = "http_server_request_duration_seconds_count"
        return shelf.instruments.registry.get_sample_value(name, labels)

    assert count("/v1/books:search", "200") == 1
    assert count("/v1/books:search", "400") == 1
    assert count("unmatched", "404") == 1
    assert count("/made/up/path", "404") is None


async def test_errors_are_logged_with_their_request_and_no_query(
    shelf: House, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("gateway", "INFO")

    await shelf.client.get("/v1/books:search?nobody=secret", headers={"x-request-id": "r1"})
    await shelf.client.get("/health")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    answered = [line for line in lines if line["event"] == "http_answered"]
    assert len(answered) == 1
    assert answered[0]["request_id"] == "r1"
    assert (answered[0]["status"], answered[0]["reason"]) == (400, "INVALID_ARGUMENT")
    assert "secret" not in json.dumps(lines)
