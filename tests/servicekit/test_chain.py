"""Errors, deadlines, cancellation, limits and records of calls, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from servicekit import context
from servicekit.errors import FieldViolation, Kind, Refusal
from servicekit.status import refusal_of
from tests.servicekit.lab import SERVICE, House, Lines, kept_lines, open_house, refused

CANARY = "4242424242424242"


class OutOfTea(Refusal):
    kind = Kind.FAILED_PRECONDITION
    reason = "OUT_OF_TEA"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with open_house() as house:
        yield house


@pytest.fixture
def lines() -> Iterator[Lines]:
    with kept_lines() as lines:
        yield lines


class Slow:
    """A handler that takes its time, and time to clean up."""

    def __init__(self, *, seconds: float = 30, cleanup_seconds: float = 0) -> None:
        self.began = asyncio.Event()
        self.released = asyncio.Event()
        self.ended = asyncio.Event()
        self._seconds = seconds
        self._cleanup_seconds = cleanup_seconds

    async def answer(self, text: str) -> str:
        self.began.set()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.released.wait(), self._seconds)
        finally:
            await asyncio.sleep(self._cleanup_seconds)
            self.ended.set()
        return text

    async def stream(self, text: str) -> AsyncGenerator[str]:
        yield text
        await self.answer(text)


async def eventually(holds: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


# Refusals and errors


async def refuse_tea(text: str) -> str:
    raise OutOfTea(
        "there is no tea left",
        violations=[FieldViolation("lines[0].sku", "is sold out"), FieldViolation("lines[1].sku", "too")],
        metadata={"sku": "TEA-1"},
        retry_after_seconds=2.5,
    )


@pytest.mark.parametrize("sample_ratio", [0.0, 1.0])
async def test_a_refusal_arrives_whole(sample_ratio: float, lines: Lines) -> None:
    async with open_house(sample_ratio=sample_ratio) as house:
        house.lab.answers["Open"] = refuse_tea
        refusal = await refused(house.stub.Open(""))

    assert (refusal.kind, refusal.reason) == (Kind.FAILED_PRECONDITION, "OUT_OF_TEA")
    assert refusal.message == "there is no tea left"
    assert refusal.violations == (
        FieldViolation("lines[0].sku", "is sold out"),
        FieldViolation("lines[1].sku", "too"),
    )
    assert refusal.metadata == {"sku": "TEA-1"}
    assert refusal.retry_after_seconds == 2.5
    assert lines.of("rpc_failed") == []
    assert house.reports.kept == []


async def break_down(text: str) -> str:
    raise KeyError(f"column card={CANARY}")


@pytest.mark.parametrize("sample_ratio", [0.0, 1.0])
async def test_an_unexpected_error_is_told_as_an_id_and_recorded_once(
    sample_ratio: float, lines: Lines
) -> None:
    async with open_house(sample_ratio=sample_ratio) as house:
        house.lab.answers["Open"] = break_down
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await house.stub.Open("", metadata=(("x-request-id", "r-1"),))
    refusal = refusal_of(failed.value)

    (line,) = lines.of("rpc_failed")
    ((error, tags, request_id),) = house.reports.kept
    assert (refusal.kind, refusal.reason) == (Kind.INTERNAL, "INTERNAL")
    assert refusal.error_id == line["error_id"] == tags["error_id"]
    assert len(refusal.error_id) == 36
    assert line["request_id"] == request_id == "r-1"
    assert line["error_type"] == "KeyError"
    assert isinstance(error, KeyError)
    assert_untold(failed.value)
    assert house.calls("Open", "INTERNAL") == 1


def assert_untold(error: grpc.aio.AioRpcError) -> None:
    """Nothing of the library's words is anywhere in the answer."""
    told = f"{error.details()} {dict(error.trailing_metadata() or ())} {error.debug_error_string()}"
    assert "KeyError" not in told
    assert CANARY not in told


async def test_an_error_leaves_no_library_words_in_a_span(lines: Lines) -> None:
    async with open_house(sample_ratio=1) as house:
        house.lab.answers["Open"] = break_down
        await refused(house.stub.Open(""))
        (span,) = house.finished()

    assert CANARY not in span.to_json()


async def test_an_error_of_a_peer_is_not_passed_on_as_it_is(house: House) -> None:
    async def call_peer(text: str) -> str:
        answer: str = await house.stub.SignedIn(text)
        return answer

    house.lab.answers["Open"] = call_peer
    refusal = await refused(house.stub.Open(""))

    assert refusal.kind is Kind.INTERNAL
    assert len(house.reports.kept) == 1


async def test_a_task_that_somebody_cancelled_is_our_fault_and_is_answered(house: House) -> None:
    async def await_cancelled(text: str) -> str:
        other = asyncio.ensure_future(asyncio.sleep(30))
        other.cancel()
        await other
        return text

    house.lab.answers["Open"] = await_cancelled
    refusal = await refused(house.stub.Open("", timeout=5))

    assert refusal.kind is Kind.INTERNAL
    assert refusal.error_id


async def test_a_request_that_cannot_be_read_is_the_callers_fault(house: House) -> None:
    async with grpc.aio.insecure_channel(house.target) as channel:
        call: Any = channel.unary_unary(f"/{SERVICE}/Open")
        refusal = await refused(call(b"\xff\xff\xff"))

    assert (refusal.kind, refusal.reason) == (Kind.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert house.lab.seen == []
    assert house.reports.kept == []


@pytest.mark.parametrize("sample_ratio", [0.0, 1.0])
async def test_an_answer_that_cannot_be_sent_is_our_fault(sample_ratio: float, lines: Lines) -> None:
    async def wrong(text: str) -> Any:
        return None

    async with open_house(sample_ratio=sample_ratio) as house:
        house.lab.answers["Raw"] = wrong
        refusal = await refused(house.stub.Raw(""))

    assert refusal.kind is Kind.INTERNAL
    assert lines.of("rpc_failed")[0]["error_id"] == refusal.error_id
    assert house.calls("Raw", "INTERNAL") == 1


# Deadlines


async def test_a_deadline_is_reported_before_the_caller_gives_up(house: House) -> None:
    house.lab.answers["Open"] = Slow().answer

    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await house.stub.Open("", timeout=0.4)

    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    # The callee's words, so its answer arrived in the 20 ms that it kept back.
    assert failed.value.details() == "the deadline passed before there was an answer"
    assert house.reports.kept == []


async def test_a_handler_is_told_how_long_its_caller_waits(house: House) -> None:
    before = time.monotonic()
    await house.stub.Open("", timeout=3)

    deadline = house.lab.seen[-1].request.deadline
    assert deadline is not None
    assert before + 2.5 < deadline < time.monotonic() + 3.1


async def test_too_little_time_is_refused_at_once(house: House) -> None:
    refusal = await refused(house.stub.Open("", timeout=0.09))

    assert refusal.message == "too little time is left to begin"
    assert house.lab.seen == []


async def test_without_a_deadline_the_rpcs_own_holds(house: House) -> None:
    slow = Slow()
    house.lab.answers["Brief"] = slow.answer
    began = time.monotonic()

    refusal = await refused(house.stub.Brief(""))

    assert refusal.kind is Kind.DEADLINE_EXCEEDED
    assert 0.1 < time.monotonic() - began < 2
    assert slow.ended.is_set()
    deadline = house.lab.seen[-1].request.deadline
    assert deadline is not None
    assert deadline - began == pytest.approx(0.15, abs=0.1)


async def test_time_spent_on_recognising_a_caller_counts(house: House) -> None:
    async def slow_keys() -> Any:
        await asyncio.sleep(0.3)
        return await house.people.keys()

    house.chain.around.admission._users._keys._source = slow_keys
    house.lab.answers["SignedIn"] = Slow().answer

    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await house.stub.SignedIn("", metadata=(house.people.bearer(),), timeout=0.5)

    assert failed.value.details() == "the deadline passed before there was an answer"


async def test_a_timeout_of_the_handlers_own_is_no_deadline(house: House) -> None:
    async def impatient(text: str) -> str:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
        return text

    house.lab.answers["Open"] = impatient

    assert (await refused(house.stub.Open("", timeout=5))).kind is Kind.INTERNAL


# Cancellation and the end


async def test_a_call_that_is_given_up_is_recorded_as_cancelled(house: House, lines: Lines) -> None:
    slow = Slow()
    house.lab.answers["Open"] = slow.answer
    call = house.stub.Open("")
    await slow.began.wait()

    call.cancel()
    await slow.ended.wait()
    await house.chain.drained()

    assert house.calls("Open", "CANCELLED") == 1
    assert [line["code"] for line in lines.of("rpc_answered")] == ["CANCELLED"]
    assert house.reports.kept == []


async def stop_under(house: House, slow: Slow) -> None:
    house.lab.answers["Open"] = slow.answer
    call = house.stub.Open("")
    await slow.began.wait()
    await house.server.stop(0.05)
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await call


async def test_drained_waits_until_aborted_handlers_have_cleaned_up(house: House) -> None:
    slow = Slow(cleanup_seconds=0.2)

    await stop_under(house, slow)
    await house.chain.drained()

    assert slow.ended.is_set()
    assert house.chain.around.running == set()


async def test_control_the_stop_of_a_server_alone_returns_before_that(house: House) -> None:
    slow = Slow(cleanup_seconds=0.2)

    await stop_under(house, slow)

    assert not slow.ended.is_set()
    await house.chain.drained()


# Limits


async def test_too_many_calls_are_refused_while_health_answers() -> None:
    async with open_house(most_calls=2) as house:
        slow = Slow()
        house.lab.answers["Open"] = slow.answer
        busy = [asyncio.ensure_future(house.stub.Open("")) for _ in range(2)]
        await eventually(lambda: len(house.chain.around.running) == 2)

        refusals = [await refused(house.stub.Once("")) for _ in range(3)]
        async with grpc.aio.insecure_channel(house.target) as channel:
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        slow.released.set()
        await asyncio.gather(*busy)

        assert await house.stub.Once("again") == "again"

    assert {(refusal.kind, refusal.reason) for refusal in refusals} == {
        (Kind.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    }
    assert refusals[0].retry_after_seconds == 1
    assert health.status == health_pb2.HealthCheckResponse.SERVING


async def test_idle_watches_of_health_take_no_place_of_calls() -> None:
    async with open_house(most_calls=1) as house, grpc.aio.insecure_channel(house.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(5)]
        for watch in watches:
            await watch.read()

        assert await house.stub.Open("hello") == "hello"
        for watch in watches:
            watch.cancel()


# Records


async def test_each_call_is_counted_by_its_code(house: House) -> None:
    house.lab.answers["Once"] = refuse_tea

    for _ in range(3):
        await house.stub.Open("")
    await refused(house.stub.Once(""))
    await refused(house.stub.SignedIn(""))
    await house.chain.drained()

    assert house.calls("Open", "OK") == 3
    assert house.calls("Once", "FAILED_PRECONDITION") == 1
    assert house.calls("SignedIn", "UNAUTHENTICATED") == 1
    assert house.calls("Open", "CANCELLED") == 0


async def test_a_refused_call_is_logged_with_who_called(house: House, lines: Lines) -> None:
    await refused(house.stub.Managed("", metadata=(house.people.bearer("bob"), ("x-request-id", "r-7"))))
    await house.stub.Open("")

    (line,) = lines.of("rpc_answered")
    assert line["rpc"] == "/tillmesh.lab.v1.LabService/Managed"
    assert (line["code"], line["caller"], line["request_id"]) == ("PERMISSION_DENIED", "bob", "r-7")


async def test_calls_know_nothing_of_each_other(house: House) -> None:
    async def meet(text: str) -> str:
        await asyncio.sleep(0.001)
        request = context.current()
        return f"{request.request_id} {request.caller.subject} {request.synthetic}"

    house.lab.answers["SignedIn"] = house.lab.answers["Open"] = meet

    async def call(number: int) -> tuple[str, str]:
        metadata: Any = (("x-request-id", f"r-{number}"),)
        if number % 2:
            metadata += (house.people.bearer(f"u{number}"), ("x-tillmesh-synthetic", "1"))
            return await house.stub.SignedIn("", metadata=metadata), f"r-{number} u{number} True"
        return await house.stub.Open("", metadata=metadata), f"r-{number}  False"

    outside = context.current().request_id
    answers = await asyncio.gather(*(call(number) for number in range(60)))

    assert [answer for answer, _ in answers] == [expected for _, expected in answers]
    assert context.current().request_id == outside
