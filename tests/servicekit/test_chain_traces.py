"""A trace survives a service, recorded or not; the stock interceptor's filter is the control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import ReadableSpan

from servicekit.logs import logger
from tests.servicekit.lab import House, Lab, LabStub, Lines, add_lab, kept_lines, open_house
from tests.servicekit.test_chain import Slow, eventually

CALLS = 200
log = logger("tests.traces")


@dataclass
class Pair:
    """A house that calls another, and logs and makes a span on the way."""

    front: House
    back: House

    def arrived(self) -> list[str]:
        return [str(seen.metadata.get("traceparent", "")) for seen in self.back.lab.seen]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with kept_lines() as lines:
        yield lines


async def _pair(sample_ratio: float, lifetime: AsyncExitStack) -> Pair:
    front = await lifetime.enter_async_context(open_house(sample_ratio=sample_ratio))
    back = await lifetime.enter_async_context(open_house(name="back", sample_ratio=sample_ratio))
    channel = await lifetime.enter_async_context(front.channel("back", back.target))
    front.lab.answers["Open"] = passing_on(front, LabStub(channel))
    front.lab.answers["Brief"] = passing_on(front, LabStub(channel))
    return Pair(front, back)


def passing_on(front: House, stub: Any) -> Any:
    tracer = front.tracing.provider.get_tracer("tests")

    async def answer(text: str) -> str:
        log.info("handled", text=text)
        with tracer.start_as_current_span("inside"):
            return f"{await stub.Open(text)}"

    return answer


@pytest.fixture
async def never() -> AsyncIterator[Pair]:
    """Samples no trace that begins here."""
    async with AsyncExitStack() as lifetime:
        yield await _pair(0.0, lifetime)


@pytest.fixture
async def always() -> AsyncIterator[Pair]:
    """Samples every trace that begins here."""
    async with AsyncExitStack() as lifetime:
        yield await _pair(1.0, lifetime)


def trace(number: int) -> str:
    return f"{number + 1:032x}"


def traceparent(number: int, flags: str) -> Any:
    return (("traceparent", f"00-{trace(number)}-{'b' * 16}-{flags}"),)


def by_name(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    (found,) = [span for span in spans if span.name.endswith(name)]
    return found


async def call_many(stub: Any, *flags: str) -> None:
    """Make CALLS calls, each of a trace of its own, with these flags in turn."""
    for chunk in range(0, CALLS, 20):
        await asyncio.gather(
            *(
                stub.Open(str(number), metadata=traceparent(number, flags[number % len(flags)]))
                for number in range(chunk, chunk + 20)
            )
        )


@pytest.mark.parametrize("flags", ["01", "03"])
async def test_a_sampled_trace_is_one_tree_through_both_houses(never: Pair, flags: str) -> None:
    await never.front.stub.Open("", metadata=(*traceparent(0, flags), ("x-request-id", "r-1")))

    ours, theirs = never.front.finished(), never.back.finished()
    server = by_name(tuple(s for s in ours if s.kind.name == "SERVER"), "Open")
    inside = by_name(ours, "inside")
    client = by_name(tuple(s for s in ours if s.kind.name == "CLIENT"), "Open")
    (callee,) = theirs
    assert {span.context.trace_id for span in (*ours, *theirs) if span.context} == {1}
    assert [parent_of(span) for span in (inside, client, callee)] == [
        id_of(server),
        id_of(inside),
        id_of(client),
    ]
    assert parent_of(server) == int("b" * 16, 16)
    assert server.attributes is not None
    assert server.attributes["tillmesh.request_id"] == "r-1"


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def parent_of(span: ReadableSpan) -> int:
    assert span.parent is not None
    return int(span.parent.span_id)


async def test_an_unsampled_trace_is_kept_and_never_recorded(always: Pair, lines: Lines) -> None:
    await call_many(always.front.stub, "00", "02")

    kept = [f"00-{trace(number)}" for number in range(CALLS)]
    arrived = sorted(always.arrived())
    assert [each[:35] for each in arrived] == kept
    assert [each[-2:] for each in arrived] == ["00", "02"] * (CALLS // 2)
    assert {int(line["text"]): line["trace_id"] for line in lines.of("handled")} == {
        number: trace(number) for number in range(CALLS)
    }
    assert always.front.finished() == always.back.finished() == ()


@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_control_the_stock_filter_loses_the_trace_and_begins_new_ones(always: Pair) -> None:
    def is_sampled(details: grpc.HandlerCallDetails) -> bool:
        return any(
            key == "traceparent" and str(value).endswith("1") for key, value in details.invocation_metadata
        )

    front, lab = always.front, Lab(answers=always.front.lab.answers)
    stock = aio_server_interceptor(tracer_provider=front.tracing.provider, filter_=is_sampled)  # type: ignore[no-untyped-call]
    server = grpc.aio.server(interceptors=[stock])
    add_lab(lab, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        await call_many(LabStub(channel), "00")
    await server.stop(None)

    given = {trace(number) for number in range(CALLS)}
    assert given.isdisjoint(each[3:35] for each in always.arrived())
    roots = [span for span in front.finished() if span.parent is None]
    assert len(roots) == CALLS


async def test_a_call_without_a_trace_gets_one_for_all_it_does(never: Pair, lines: Lines) -> None:
    await never.front.stub.Open("a")
    await never.front.stub.Open("b")

    arrived = never.arrived()
    logged = [line["trace_id"] for line in lines.of("handled")]
    assert [each[3:35] for each in arrived] == logged
    assert len(set(logged)) == 2
    assert {each[-2:] for each in arrived} == {"00"}


async def test_a_trace_that_begins_here_is_recorded_by_the_ratio(always: Pair) -> None:
    await always.front.stub.Open("")

    ours, theirs = always.front.finished(), always.back.finished()
    assert len({span.context.trace_id for span in (*ours, *theirs) if span.context}) == 1
    assert [span.parent is None for span in ours].count(True) == 1


@pytest.mark.parametrize(
    "given",
    [
        "nonsense",
        "x" * 53 + "01",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'A' * 32}-{'b' * 16}-00",
        f"00-{'a' * 32}-{'b' * 16}-00-more",
    ],
)
async def test_a_malformed_traceparent_counts_as_none(never: Pair, lines: Lines, given: str) -> None:
    await never.front.stub.Open("", metadata=(("traceparent", given),))

    (arrived,) = never.arrived()
    (line,) = lines.of("handled")
    assert arrived == f"00-{line['trace_id']}-{line['span_id']}-00"
    assert line["trace_id"] not in given
    assert never.front.finished() == never.back.finished() == ()


async def test_a_sampled_call_that_runs_out_of_time_leaves_its_spans(never: Pair) -> None:
    async def forever(text: str) -> str:
        await asyncio.sleep(30)
        return text

    never.back.lab.answers["Open"] = forever
    with pytest.raises(grpc.aio.AioRpcError):
        await never.front.stub.Brief("", metadata=traceparent(0, "01"))

    await eventually(lambda: len(never.front.finished()) == 3)
    assert {span.kind.name for span in never.front.finished()} == {"CLIENT", "INTERNAL", "SERVER"}


async def test_a_sampled_call_that_is_given_up_leaves_its_spans(never: Pair) -> None:
    slow = Slow()
    never.back.lab.answers["Open"] = slow.answer
    call = never.front.stub.Open("", metadata=traceparent(0, "01"))
    await slow.began.wait()

    call.cancel()

    await eventually(lambda: len(never.front.finished()) == 3)
    assert {span.kind.name for span in never.front.finished()} == {"CLIENT", "INTERNAL", "SERVER"}


async def test_every_sampled_call_is_logged_and_few_others(never: Pair, lines: Lines) -> None:
    await never.front.stub.Once("", metadata=traceparent(0, "01"))
    await never.front.stub.Once("", metadata=traceparent(1, "00"))

    (line,) = lines.of("rpc_answered")
    assert line["trace_id"] == trace(0)
    assert line["code"] == "OK"
