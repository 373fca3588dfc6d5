"""Server streams over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from servicekit.errors import Kind
from servicekit.status import RemoteRefusal
from tests.gateway.house import House
from tests.gateway.shelf import Book, WatchBookResponse

WATCH = "/v1/books/7:watch"
GONE = RemoteRefusal(Kind.NOT_FOUND, "NO_SUCH_BOOK", "there is no such book")


def states(*ids: str, then: Exception | None = None) -> Any:
    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        for number in ids:
            yield WatchBookResponse(book=Book(id=number))
        if then is not None:
            raise then

    return stream


async def test_messages_are_lines_of_json(shelf: House) -> None:
    shelf.backend.answers["WatchBook"] = states("1", "2")

    response = await shelf.client.get(WATCH)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/x-ndjson"
    assert response.headers["x-request-id"]
    assert [json.loads(line)["book"]["id"] for line in response.text.splitlines()] == ["1", "2"]
    assert shelf.backend.seen[0].request.id == "7"


async def test_messages_are_events_for_those_who_want_them(shelf: House) -> None:
    shelf.backend.answers["WatchBook"] = states("1", "2")

    response = await shelf.client.get(WATCH, headers={"accept": "text/event-stream"})

    assert response.headers["content-type"] == "text/event-stream"
    first, second, end = response.text.split("\n\n")
    assert json.loads(first.removeprefix("data: "))["book"]["id"] == "1"
    assert json.loads(second.removeprefix("data: "))["book"]["id"] == "2"
    assert end == ""


async def test_a_stream_is_not_one_json_document(shelf: House) -> None:
    response = await shelf.client.get(WATCH, headers={"accept": "application/json"})

    assert response.status_code == 406


async def test_a_failure_before_the_first_message_has_its_status(shelf: House) -> None:
    shelf.backend.answers["WatchBook"] = states(then=GONE)

    response = await shelf.client.get(WATCH)

    assert (response.status_code, response.json()["reason"]) == (404, "NO_SUCH_BOOK")


@pytest.mark.parametrize("accept", ["application/x-ndjson", "text/event-stream"])
async def test_a_later_failure_is_the_end_of_the_stream(shelf: House, accept: str) -> None:
    shelf.backend.answers["WatchBook"] = states("1", then=GONE)

    response = await shelf.client.get(WATCH, headers={"accept": accept})

    assert response.status_code == 200
    if accept == "text/event-stream":
        event, data = response.text.split("\n\n")[1].splitlines()
        assert event == "event: error"
        problem = json.loads(data.removeprefix("data: "))
    else:
        problem = json.loads(response.text.splitlines()[1])["error"]
    assert (problem["status"], problem["reason"]) == (404, "NO_SUCH_BOOK")
    assert problem["requestId"] == response.headers["x-request-id"]


async def test_a_message_that_cannot_be_read_ends_the_stream_as_our_fault(shelf: House) -> None:
    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        yield WatchBookResponse(book=Book(id="1"))
        yield _Broken()

    shelf.backend.answers["WatchBook"] = stream

    response = await shelf.client.get(WATCH)

    problem = json.loads(response.text.splitlines()[1])["error"]
    assert (problem["status"], problem["reason"]) == (500, "INTERNAL")
    assert len(shelf.reported) == 1


class _Broken:
    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return b"\x0a\xff"


async def test_a_stream_may_be_empty(shelf: House) -> None:
    shelf.backend.answers["WatchBook"] = states()

    response = await shelf.client.get(WATCH)

    assert (response.status_code, response.content) == (200, b"")


async def test_head_of_a_stream_ends_with_its_head(shelf: House) -> None:
    async def endless(request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            yield WatchBookResponse()
            await asyncio.sleep(0.01)

    shelf.backend.answers["WatchBook"] = endless

    response = await shelf.client.head(WATCH)

    assert response.status_code == 200
    await asyncio.wait_for(shelf.backend.cancelled.wait(), 5)


async def test_each_message_is_sent_when_it_comes_and_a_client_that_goes_ends_the_call(shelf: House) -> None:
    async def slow(request: Any, context: Any) -> AsyncIterator[Any]:
        yield WatchBookResponse(book=Book(id="1"))
        await asyncio.sleep(60)

    shelf.backend.answers["WatchBook"] = slow

    async with shelf.client.stream("GET", WATCH) as response:
        line = await anext(response.aiter_lines())

    assert json.loads(line)["book"]["id"] == "1"
    await asyncio.wait_for(shelf.backend.cancelled.wait(), 5)
