"""An ASGI application on a socket of ours: who trusts whom, and how it ends."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from servicekit.front import FrontServer, bound_socket


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer with who calls, after as many seconds as the path says."""
    await asyncio.sleep(float(scope["path"].lstrip("/") or 0))
    told = f"{scope['client'][0]} {scope['scheme']}".encode()
    headers = [(b"content-length", str(len(told)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": told})


@dataclass
class Served:
    """The application and a client of it."""

    front: FrontServer
    running: asyncio.Task[None]
    http: httpx.AsyncClient


@asynccontextmanager
async def served(drain_seconds: float = 5) -> AsyncIterator[Served]:
    listening = bound_socket("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    front = FrontServer(app, listening, drain_seconds)
    running = asyncio.create_task(front.run())
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as http:
        yield Served(front, running, http)
    await front.stop()
    await running


async def test_a_request_is_answered_without_naming_the_server() -> None:
    async with served() as house:
        answer = await house.http.get("/")

    assert answer.text == "127.0.0.1 http"
    assert "server" not in answer.headers


async def test_nobody_is_believed_about_who_calls() -> None:
    posed = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}

    async with served() as house:
        answer = await house.http.get("/", headers=posed)

    assert answer.text == "127.0.0.1 http"


async def test_a_request_that_runs_ends_before_the_stop_returns() -> None:
    async with served() as house:
        running = asyncio.create_task(house.http.get("/0.6"))
        await asyncio.sleep(0.2)

        await house.front.stop()

        assert (await running).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await house.http.get("/")


async def test_a_request_that_outlasts_the_grace_is_cut_off() -> None:
    async with served(drain_seconds=0.2) as house:
        running = asyncio.create_task(house.http.get("/30"))
        await asyncio.sleep(0.2)
        began = time.monotonic()

        await house.front.stop()

        assert time.monotonic() - began < 3
        assert (await running).status_code == 500


async def test_signals_are_left_to_the_process() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async with served() as house:
        await house.http.get("/")
        during = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    assert during == before


def test_a_port_is_taken_as_soon_as_it_is_bound() -> None:
    with bound_socket("127.0.0.1", 0) as first, pytest.raises(OSError, match="in use"):
        bound_socket("127.0.0.1", first.getsockname()[1])


def test_an_ipv6_address_can_be_bound() -> None:
    with bound_socket("::1", 0) as listening:
        assert listening.family is socket.AF_INET6
