"""The keys that auth publishes, over a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from tillmesh.auth.v1 import auth_pb2, auth_pb2_grpc
from typing_extensions import override

from servicekit.clock import SystemClock
from servicekit.errors import Refusal
from servicekit.published_keys import published_keys
from servicekit.tokens import UserTokens
from tests.servicekit.lab import People


class Auth(auth_pb2_grpc.AuthServiceServicer):
    """Publishes the key of some people."""

    def __init__(self, people: People) -> None:
        self._people = people

    @override
    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Any) -> auth_pb2.GetJwksResponse:
        keys = (await self._people.keys())["keys"]
        return auth_pb2.GetJwksResponse(keys=[auth_pb2.Jwk(**key) for key in keys])


@asynccontextmanager
async def published_by(people: People) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    auth_pb2_grpc.add_AuthServiceServicer_to_server(Auth(people), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def test_tokens_are_verified_with_what_auth_publishes() -> None:
    people = People()

    async with published_by(people) as channel:
        caller = await UserTokens(published_keys(channel), SystemClock()).verify(people.token("alice"))

    assert caller.subject == "alice"


async def test_an_auth_that_is_away_refuses_in_our_words() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(Refusal) as refused:
            await published_keys(channel)()

    assert refused.value.reason == "PEER_UNAVAILABLE"
