"""What arrives slowly, without end, or as no HTTP at all."""

import asyncio
from time import monotonic

import pytest

from tests.gateway.house import House

HEAD = b"POST /v1/books/7:move HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


async def test_a_body_that_does_not_come_is_not_waited_for(shelf: House) -> None:
    status, headers, document = await shelf.raw(HEAD + b"content-length: 10\r\n\r\n{")

    assert status == b"HTTP/1.1 408 Request Timeout"
    assert document["reason"] == "REQUEST_TIMEOUT"
    assert document["requestId"] == headers["x-request-id"]


async def test_a_body_that_trickles_is_not_waited_for(shelf: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shelf.port)
    writer.write(HEAD + b"content-length: 1000\r\n\r\n")
    reading = asyncio.ensure_future(reader.read())
    while not reading.done():
        writer.write(b" ")
        await asyncio.sleep(0.05)
    writer.close()

    assert (await reading).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_does_not_end_is_not_waited_for(shelf: House) -> None:
    status, headers, document = await shelf.raw(b"GET /v1/books:search HTTP/1.1\r\nhost:")

    assert status == b"HTTP/1.1 408 Request Timeout"
    assert headers["connection"] == "close"
    assert document["requestId"] == headers["x-request-id"]


async def test_a_second_head_that_does_not_end_is_not_waited_for_either(shelf: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shelf.port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"GET /health HTTP/1.1\r\n")

    received = await asyncio.wait_for(reader.read(), 5)

    writer.close()
    assert b"HTTP/1.1 408 " in received


async def test_a_connection_that_says_nothing_is_closed(shelf: House) -> None:
    started = monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", shelf.port)

    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert monotonic() - started < 3
    writer.close()


@pytest.mark.parametrize("line", [b"x: " + b"y" * 1000 + b"\r\n", b"z" * 1000])
async def test_a_head_without_end_is_refused(shelf: House, line: bytes) -> None:
    status, _, document = await shelf.raw(b"GET / HTTP/1.1\r\n" + line * 30)

    assert status == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert document["reason"] == "HEADERS_TOO_LARGE"


@pytest.mark.parametrize(
    "sent",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"BREW / HTTP/1.1\r\n\r\n",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST /v1/tags HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST /v1/tags HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v1/tags HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_with_a_problem(shelf: House, sent: bytes) -> None:
    status, headers, document = await shelf.raw(sent)

    assert status.split()[1] in {b"400", b"404"}
    assert headers["content-type"] == "application/problem+json"
    assert document["requestId"] == headers["x-request-id"]
    assert shelf.backend.seen == []


async def test_an_early_answer_survives_the_rest_of_its_body(shelf: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shelf.port)
    writer.write(HEAD + b"content-length: 1000000\r\n\r\n")
    for _ in range(20):
        writer.write(b" " * 50_000)
        await writer.drain()
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

    received = await asyncio.wait_for(reader.read(), 5)

    writer.close()
    assert received.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 503 " in received, "the connection goes on after the body"


async def test_the_rest_of_a_body_is_not_read_for_ever(shelf: House) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", shelf.port)
    writer.write(HEAD + b"content-length: 1000000\r\n\r\n")
    reading = asyncio.ensure_future(reader.read())
    while not reading.done():
        writer.write(b" ")
        await asyncio.sleep(0.05)
    writer.close()

    assert (await reading).startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_awaits_leave_to_send_is_refused_at_once_and_let_go(shelf: House) -> None:
    status, headers, _ = await shelf.raw(HEAD + b"content-length: 1000000\r\nexpect: 100-continue\r\n\r\n")

    assert status.split()[1] == b"413"
    assert headers["connection"] == "close"


async def test_an_upgrade_that_we_do_not_know_is_ignored(shelf: House) -> None:
    status, _, _ = await shelf.raw(
        b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n"
    )

    assert status.split()[1] == b"503"
