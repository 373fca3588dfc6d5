"""Calls to the services behind the gateway: bytes in, bytes out, for any RPC of the table.

Messages are serialized here and not in gRPC, so that one multicallable serves
every method alike and a message that cannot be read is our error, not a library's.
"""

from collections.abc import Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from gateway.routes import Rpc

IDEMPOTENCY_KEY = "idempotency-key"


class Peers:
    """The services, by name. Identity, request id and trace are the channels' business.

    Args:
        channels: One for each peer that a route can lead to.
    """

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self._channels = channels
        self._callables: dict[str, Any] = {}

    def call(self, rpc: Rpc, request: Message, idempotency_key: str) -> Any:  # noqa: ANN401 - two kinds of call
        """Start a call; what it answers with is bytes, once or many times."""
        metadata = ((IDEMPOTENCY_KEY, idempotency_key),) if idempotency_key else None
        make = self._callables.get(rpc.rule.path) or self._callable(rpc)
        return make(request.SerializeToString(), timeout=rpc.deadline_seconds, metadata=metadata)

    def _callable(self, rpc: Rpc) -> Any:  # noqa: ANN401 - two kinds of multicallable
        channel = self._channels[rpc.peer]
        make = channel.unary_stream if rpc.is_streaming else channel.unary_unary
        self._callables[rpc.rule.path] = make(rpc.rule.path)
        return self._callables[rpc.rule.path]
