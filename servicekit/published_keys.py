"""The keys that verify users' tokens, as the API of auth publishes them.

The one place where servicekit knows an API by name: identity is everybody's need,
and a JSON Web Key Set (RFC 7517) is the same whoever publishes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict
from tillmesh.auth.v1 import auth_pb2, auth_pb2_grpc

from servicekit.errors import Refusal
from servicekit.kit import KeySet
from servicekit.status import refusal_of

API = auth_pb2.DESCRIPTOR


def published_keys(channel: grpc.aio.Channel) -> KeySet:
    """Fetches the key set over `channel`; what refuses it raises a `Refusal`."""
    stub: auth_pb2_grpc.AuthServiceAsyncStub = auth_pb2_grpc.AuthServiceStub(channel)

    async def fetch() -> Mapping[str, Any]:
        try:
            answer = await stub.GetJwks(auth_pb2.GetJwksRequest())
        except grpc.aio.AioRpcError as error:
            refusal: Refusal = refusal_of(error)
            raise refusal from None
        return MessageToDict(answer)

    return fetch
