"""Streaming calls get what unary ones get, and clean up even when nobody reads them any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from servicekit.context import current
from servicekit.errors import Kind
from servicekit.status import refusal_of
from tests.servicekit.lab import House, Lines, kept_lines, open_house
from tests.servicekit.test_chain import OutOfTea, Slow, break_down, eventually, refuse_tea

MEGABYTE = "x" * 1_000_000


@pytest.fixture(params=[0.0, 1.0], ids=["unsampled", "sampled"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    async with open_house(sample_ratio=request.param) as house:
        yield house


@pytest.fixture
def lines() -> Iterator[Lines]:
    with kept_lines() as lines:
        yield lines


class Flood:
    """A handler that sends more than its caller reads."""

    def __init__(self) -> None:
        self.sent = 0
        self.ended = asyncio.Event()
        self.ended_in = ""
        self.cleaned_up = False

    async def stream(self, text: str) -> AsyncGenerator[str]:
        try:
            while True:
                self.sent += 1
                yield MEGABYTE
        finally:
            self.ended_in = current().request_id
            self.ended.set()
            await asyncio.sleep(0.05)
            self.cleaned_up = True

    async def blocked(self) -> None:
        before = 0
        while not self.sent or self.sent != before:
            before = self.sent
            await asyncio.sleep(0.05)


async def read_to_end(call: Any) -> tuple[list[str], Any]:
    received: list[str] = []
    try:
        async for text in call:
            received.append(text)  # noqa: PERF401 - what came before an error counts
    except grpc.aio.AioRpcError as error:
        return received, refusal_of(error)
    return received, None


async def test_messages_arrive_in_order_and_the_call_is_counted(house: House) -> None:
    async def count(text: str) -> AsyncGenerator[str]:
        for number in range(5):
            yield f"{text}{number}"

    house.lab.streams["Stream"] = count

    received, refusal = await read_to_end(house.stub.Stream("n"))
    await house.chain.drained()

    assert received == ["n0", "n1", "n2", "n3", "n4"]
    assert refusal is None
    assert house.calls("Stream", "OK") == 1


async def test_streams_ask_for_identity_as_other_calls_do(house: House) -> None:
    nothing, refusal = await read_to_end(house.stub.Locked(""))
    received, _ = await read_to_end(house.stub.Locked("a", metadata=(house.people.bearer("alice"),)))

    assert (nothing, refusal.kind) == ([], Kind.UNAUTHENTICATED)
    assert received == ["a", "a"]
    assert [seen.request.caller.subject for seen in house.lab.seen] == ["alice"]


async def test_a_refusal_after_some_messages_arrives_whole(house: House) -> None:
    async def until_out_of_tea(text: str) -> AsyncGenerator[str]:
        yield "first"
        await refuse_tea(text)

    house.lab.streams["Stream"] = until_out_of_tea

    received, refusal = await read_to_end(house.stub.Stream(""))

    assert received == ["first"]
    assert (refusal.reason, refusal.retry_after_seconds) == (OutOfTea.reason, 2.5)
    assert house.reports.kept == []


async def test_an_error_after_some_messages_is_told_as_an_id(house: House, lines: Lines) -> None:
    async def until_broken(text: str) -> AsyncGenerator[str]:
        yield "first"
        await break_down(text)

    house.lab.streams["Stream"] = until_broken

    received, refusal = await read_to_end(house.stub.Stream(""))

    (line,) = lines.of("rpc_failed")
    assert received == ["first"]
    assert refusal.error_id == line["error_id"]
    assert len(house.reports.kept) == 1


async def test_a_stream_ends_with_its_deadline(house: House) -> None:
    slow = Slow()
    house.lab.streams["Stream"] = slow.stream

    received, refusal = await read_to_end(house.stub.Stream("a", timeout=0.4))

    assert received == ["a"]
    assert refusal.kind is Kind.DEADLINE_EXCEEDED
    assert refusal.message == "the deadline passed before there was an answer"


async def test_a_stream_without_a_deadline_has_none(house: House) -> None:
    await read_to_end(house.stub.Stream(""))

    assert house.lab.seen[-1].request.deadline is None


async def test_a_stream_whose_rpc_states_a_deadline_has_that_one(house: House) -> None:
    house.lab.streams["Ticker"] = Slow().stream

    received, refusal = await read_to_end(house.stub.Ticker("a"))

    assert received == ["a"]
    assert refusal.kind is Kind.DEADLINE_EXCEEDED


async def test_a_stream_that_is_given_up_is_recorded(house: House) -> None:
    slow = Slow(cleanup_seconds=0.05)
    house.lab.streams["Stream"] = slow.stream
    call = house.stub.Stream("")
    await slow.began.wait()

    call.cancel()
    await eventually(lambda: house.calls("Stream", "CANCELLED") == 1)

    assert slow.ended.is_set()


async def test_a_stream_that_nobody_reads_cleans_up_when_it_is_given_up(house: House, lines: Lines) -> None:
    flood = Flood()
    house.lab.streams["Stream"] = flood.stream
    call = house.stub.Stream("", metadata=(("x-request-id", "r-1"),))
    await flood.blocked()

    call.cancel()
    await eventually(lambda: house.calls("Stream", "CANCELLED") == 1)
    await house.chain.drained()

    assert flood.ended_in == "r-1"
    assert flood.cleaned_up
    assert house.reports.kept == []
    assert lines.of("rpc_failed") == []


async def test_drained_waits_for_a_stream_that_nobody_reads(house: House) -> None:
    flood = Flood()
    house.lab.streams["Stream"] = flood.stream
    call = house.stub.Stream("")
    await flood.blocked()

    await house.server.stop(0.05)
    await house.chain.drained()

    assert flood.cleaned_up
    assert house.calls("Stream", "CANCELLED") == 1
    call.cancel()


async def test_a_stream_that_nobody_reads_ends_with_its_deadline(house: House) -> None:
    flood = Flood()
    house.lab.streams["Stream"] = flood.stream
    call = house.stub.Stream("", timeout=0.5)
    await flood.blocked()

    await asyncio.wait_for(flood.ended.wait(), 5)
    await house.chain.drained()

    assert house.calls("Stream", "DEADLINE_EXCEEDED") + house.calls("Stream", "CANCELLED") == 1
    assert house.reports.kept == []
    call.cancel()


async def texts(*given: str) -> AsyncGenerator[str]:
    for text in given:
        yield text


async def test_streams_of_requests_are_answered_and_counted(house: House) -> None:
    gathered = await house.stub.Gather(texts("a", "b"))
    chatted, _ = await read_to_end(house.stub.Chat(texts("c", "d")))
    await house.chain.drained()

    assert (gathered, chatted) == ("ab", ["c", "d"])
    assert house.calls("Gather", "OK") == house.calls("Chat", "OK") == 1
