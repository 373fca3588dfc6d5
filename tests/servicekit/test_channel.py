"""Calls to peers: what they carry, how long they take, which are repeated, whom they reach."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from servicekit import context
from servicekit.channel import _OPTIONS, FAILURES_FORGIVEN, service_config
from servicekit.context import RequestContext
from servicekit.errors import Kind, StoreUnavailable
from servicekit.status import refusal_of
from tests.servicekit.lab import LAB, SERVICE, House, LabStub, open_house, refused
from tests.servicekit.test_chain import Slow, eventually, refuse_tea

NOTICE_SECONDS = 0.05
ROUNDS = 10


@dataclass
class Pair:
    """A house and its way to another."""

    front: House
    back: House
    stub: Any

    def metadata(self) -> dict[str, Any]:
        return self.back.lab.seen[-1].metadata

    def calls(self, method: str, code: str) -> float:
        labels = {"peer": "back", "rpc_service": SERVICE, "rpc_method": method, "rpc_grpc_status_code": code}
        found = self.front.instruments.registry.get_sample_value("rpc_client_duration_seconds_count", labels)
        return found or 0


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as lifetime:
        front = await lifetime.enter_async_context(open_house(name="lab"))
        back = await lifetime.enter_async_context(open_house(name="back"))
        channel = await lifetime.enter_async_context(front.channel("back", back.target))
        yield Pair(front, back, LabStub(channel))


# What a call carries


async def test_a_call_carries_the_request_it_is_made_in(pair: Pair) -> None:
    bearer = pair.back.people.bearer("alice")
    request = RequestContext(request_id="r-1", authorization=bearer[1], synthetic=True)

    with context.scope(request):
        await pair.stub.SignedIn("")

    seen = pair.back.lab.seen[-1].request
    assert (seen.request_id, seen.synthetic, seen.authorization) == ("r-1", True, bearer[1])
    assert (seen.caller.subject, seen.caller.service) == ("alice", "lab")


async def test_a_call_of_nobody_carries_no_user_and_no_mark(pair: Pair) -> None:
    with context.scope(RequestContext(request_id="r-1")):
        await pair.stub.Open("")

    assert {"authorization", "x-tillmesh-synthetic", "idempotency-key", "traceparent"}.isdisjoint(
        pair.metadata()
    )
    assert pair.metadata()["x-request-id"] == "r-1"


async def test_a_call_proves_who_makes_it_to_its_peer_alone(pair: Pair) -> None:
    await pair.stub.Inside("")
    token = pair.metadata()["x-tillmesh-service"]

    async with open_house(name="elsewhere") as elsewhere:
        refusal = await refused(elsewhere.stub.Inside("", metadata=(("x-tillmesh-service", token),)))

    assert pair.back.lab.seen[-1].request.caller.service == "lab"
    assert refusal.kind is Kind.UNAUTHENTICATED


async def test_what_the_code_adds_is_sent_and_nobody_can_pose(pair: Pair) -> None:
    metadata = (("idempotency-key", "k1"), ("x-request-id", "posed"), ("x-tillmesh-service", "posed"))

    with context.scope(RequestContext(request_id="r-1")):
        await pair.stub.Inside("", metadata=metadata)

    seen = pair.back.lab.seen[-1].request
    assert (seen.idempotency_key, seen.request_id, seen.caller.service) == ("k1", "r-1", "lab")


async def test_a_streaming_call_carries_the_same(pair: Pair) -> None:
    request = RequestContext(
        request_id="r-1",
        authorization=pair.back.people.bearer("alice")[1],
        traceparent=f"00-{'a' * 32}-{'b' * 16}-00",
    )

    with context.scope(request):
        received = [text async for text in pair.stub.Locked("a")]

    seen = pair.back.lab.seen[-1].request
    assert received == ["a", "a"]
    assert (seen.request_id, seen.caller.subject, seen.caller.service) == ("r-1", "alice", "lab")
    assert seen.traceparent == request.traceparent


# Time


def time_left(pair: Pair) -> float:
    seconds = pair.back.lab.seen[-1].seconds_left
    assert seconds is not None
    return seconds


async def test_a_stream_gets_a_deadline_only_where_its_rpc_states_one(pair: Pair) -> None:
    assert [text async for text in pair.stub.Ticker("a")] == ["a", "a"]
    assert 0 < time_left(pair) <= 0.4

    assert [text async for text in pair.stub.Stream("a")] == ["a", "a"]
    assert pair.back.lab.seen[-1].seconds_left is None


@pytest.mark.parametrize(
    ("given", "ours", "left"),
    [(None, None, 5), (3, None, 3), (None, 2, 2), (3, 2, 2), (2, 3, 2), (9, 9, 9)],
)
async def test_a_call_gets_the_smaller_of_two_deadlines(
    pair: Pair, given: float | None, ours: float | None, left: float
) -> None:
    deadline = None if ours is None else time.monotonic() + ours
    with context.scope(RequestContext(deadline=deadline)):
        await pair.stub.Open("", timeout=given)

    assert left - 0.9 < time_left(pair) <= left


async def test_a_call_after_the_deadline_fails_as_deadlines_do(pair: Pair) -> None:
    with context.scope(RequestContext(deadline=time.monotonic() - 1)):
        refusal = await refused(pair.stub.Open(""))

    assert refusal.kind is Kind.DEADLINE_EXCEEDED
    assert pair.back.lab.seen == []


# Repeating


def failing(times: int) -> Callable[[str], Any]:
    left = [times]

    async def answer(text: str) -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreUnavailable("the database did not answer")
        return text

    return answer


async def test_a_repeatable_call_is_repeated(pair: Pair) -> None:
    pair.back.lab.answers["Open"] = failing(2)

    assert await pair.stub.Open("hello") == "hello"
    assert len(pair.back.lab.seen) == 3
    assert len({seen.request.request_id for seen in pair.back.lab.seen}) == 1


async def test_another_call_is_made_once(pair: Pair) -> None:
    pair.back.lab.answers["Once"] = pair.back.lab.answers["Keyed"] = failing(1)

    refusal = await refused(pair.stub.Once(""))

    assert (refusal.kind, refusal.reason) == (Kind.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert len(pair.back.lab.seen) == 1


async def test_a_refusal_is_not_repeated(pair: Pair) -> None:
    pair.back.lab.answers["Open"] = refuse_tea

    await refused(pair.stub.Open(""))

    assert len(pair.back.lab.seen) == 1


async def test_repeating_stops_when_nothing_succeeds(pair: Pair) -> None:
    pair.back.lab.answers["Open"] = failing(1000)

    for _ in range(8):
        await asyncio.gather(*(refused(pair.stub.Open("")) for _ in range(10)))

    assert len(pair.back.lab.seen) < 80 + FAILURES_FORGIVEN


def test_only_what_says_so_is_repeated() -> None:
    config = json.loads(service_config([LAB]))

    (methods,) = config["methodConfig"]
    assert {"Once", "Keyed"}.isdisjoint(name["method"] for name in methods["name"])
    assert {"Open", "Inside"} <= {name["method"] for name in methods["name"]}
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]


# Records


async def test_calls_are_counted_by_peer_method_and_code(pair: Pair) -> None:
    slow = Slow()
    pair.back.lab.answers["Once"] = slow.answer
    await pair.stub.Open("")
    await refused(pair.stub.SignedIn(""))
    given_up = pair.stub.Once("")
    await slow.began.wait()

    given_up.cancel()
    await eventually(lambda: pair.calls("Once", "CANCELLED") == 1)

    assert pair.calls("Open", "OK") == 1
    assert pair.calls("SignedIn", "UNAUTHENTICATED") == 1
    await slow.ended.wait()  # the peer heard of it


async def test_streams_are_counted_to_their_last_message(pair: Pair) -> None:
    pair.back.lab.streams["Ticker"] = Slow().stream

    assert [text async for text in pair.stub.Stream("a")] == ["a", "a"]
    with pytest.raises(grpc.aio.AioRpcError):
        assert [text async for text in pair.stub.Ticker("a")] == []

    assert pair.calls("Stream", "OK") == 1
    assert pair.calls("Ticker", "DEADLINE_EXCEEDED") == 1


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_stream_that_is_given_up_ends_at_both_ends(pair: Pair, flags: str) -> None:
    slow = Slow()
    pair.back.lab.streams["Stream"] = slow.stream

    async def follow(text: str) -> str:
        return "".join([received async for received in pair.stub.Stream(text)])

    pair.front.lab.answers["Open"] = follow
    call = pair.front.stub.Open("a", metadata=(("traceparent", f"00-{'a' * 32}-{'b' * 16}-{flags}"),))
    await slow.began.wait()
    call.cancel()

    await asyncio.wait_for(slow.ended.wait(), 5)
    await eventually(lambda: pair.calls("Stream", "CANCELLED") == 1)
    spans = {"CLIENT", "SERVER"} if flags == "01" else set()
    await eventually(lambda: {span.kind.name for span in pair.front.finished()} == spans)


# Whom it reaches


async def flip(house: House, *, serving: bool) -> float:
    house.health.set("", serving=serving)
    return time.monotonic()


async def flood(stub: Any, until: float) -> None:
    while time.monotonic() < until:
        try:
            await stub.Once("", timeout=1)
        except grpc.aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.UNAVAILABLE  # noqa: PT017 - some calls are answered
            await asyncio.sleep(0.001)


async def arrivals_after_notice(house: House, stub: Any) -> int:
    """How many calls arrived later than NOTICE_SECONDS after the house said that it is not serving."""
    await stub.Once("", wait_for_ready=True, timeout=5)
    calling = asyncio.ensure_future(flood(stub, time.monotonic() + 0.25))
    await asyncio.sleep(0.05)
    await flip(house, serving=False)
    await asyncio.sleep(NOTICE_SECONDS)
    before = len(house.lab.seen)
    await calling
    late = len(house.lab.seen) - before
    await flip(house, serving=True)
    return late


async def test_a_peer_that_says_not_serving_gets_no_call(pair: Pair) -> None:
    assert [await arrivals_after_notice(pair.back, pair.stub) for _ in range(ROUNDS)] == [0] * ROUNDS


async def test_control_without_health_checks_it_gets_them(pair: Pair) -> None:
    config = json.loads(service_config([LAB]))
    del config["healthCheckConfig"]
    options = [*_OPTIONS, ("grpc.service_config", json.dumps(config))]

    async with grpc.aio.insecure_channel(pair.back.target, options=options) as channel:
        assert await arrivals_after_notice(pair.back, LabStub(channel)) > 0


async def test_a_peer_that_comes_back_is_used_again_within_a_second(pair: Pair) -> None:
    waits = []
    async with open_house(name="back") as first:
        port = first.port
        channel = pair.front.channel("back", first.target)
        stub: Any = LabStub(channel)
        await stub.Once("", wait_for_ready=True, timeout=5)
    for _ in range(ROUNDS):
        await eventually_unavailable(stub)
        async with open_house(name="back", port=port):
            began = time.monotonic()
            await stub.Once("", wait_for_ready=True, timeout=5)
            waits.append(time.monotonic() - began)
    await channel.close()

    assert max(waits) < 1


async def eventually_unavailable(stub: Any) -> None:
    """A peer that is away is told at once, not at the deadline."""
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.Once("", timeout=3)
    assert refusal_of(failed.value).reason == "PEER_UNAVAILABLE"
    assert time.monotonic() - began < 1


CHILD = """
import asyncio
from tests.servicekit.lab import open_house

async def main():
    async with open_house(name="back") as house:
        print(house.port, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def doomed() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process of the peer, to be killed."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


async def test_one_of_two_processes_that_dies_takes_no_repeatable_call_with_it(
    pair: Pair, doomed: tuple[subprocess.Popen[str], int]
) -> None:
    process, port = doomed
    answered = 0

    async def call_on(stub: Any, until: float) -> None:
        nonlocal answered
        while time.monotonic() < until:
            assert await stub.Open("hello", timeout=3) == "hello"
            answered += 1

    async with pair.front.channel("back", f"ipv4:{pair.back.target},127.0.0.1:{port}") as channel:
        stub = LabStub(channel)
        until = time.monotonic() + 1.2
        calling = asyncio.gather(*(call_on(stub, until) for _ in range(32)))
        await asyncio.sleep(0.6)
        ours_before, all_before = len(pair.back.lab.seen), answered
        process.kill()
        await calling

    assert 0.2 < ours_before / all_before < 0.8  # both were used
    assert answered > all_before
