"""Server streams over HTTP: newline-delimited JSON and Server-Sent Events.

A failure before the first message has its true status. Once a message is out the
status is too: a later failure is told by a last line `{"error": problem}` in NDJSON,
and by a last event `error` in SSE (HTML standard, section 9.2). A stream that ends
without one is complete.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

import grpc

from gateway import codec
from gateway.answer import document_of, problem_of
from gateway.problems import Problem
from gateway.reply import Reply
from gateway.routes import Route
from servicekit.status import refusal_of


@dataclass(frozen=True, slots=True)
class Framing:
    """One way of writing messages one after the other."""

    media_type: str
    message: Callable[[object], bytes]
    error: Callable[[object], bytes]


NDJSON: Final = Framing(
    "application/x-ndjson",
    message=lambda document: codec.dumps(document) + b"\n",
    error=lambda document: codec.dumps({"error": document}) + b"\n",
)
SERVER_SENT_EVENTS: Final = Framing(
    "text/event-stream",
    message=lambda document: b"data: " + codec.dumps(document) + b"\n\n",
    error=lambda document: b"event: error\ndata: " + codec.dumps(document) + b"\n\n",
)
FRAMINGS: Final = {framing.media_type: framing for framing in (NDJSON, SERVER_SENT_EVENTS)}


async def pump(
    route: Route,
    messages: AsyncIterator[bytes],
    framing: Framing,
    reply: Reply,
    our_fault: Callable[[Exception], Problem],
) -> None:
    """Send every message as it comes. Raises Refusal for a failure before the first one.

    Args:
        route: What was called.
        messages: What the service sends; fails as calls do.
        framing: How the client wants it.
        reply: Where it goes.
        our_fault: Records an error that is ours, and makes a problem of it.
    """
    try:
        first = await anext(messages, None)
    except grpc.aio.AioRpcError as error:
        raise refusal_of(error) from error
    content_type = (b"content-type", framing.media_type.encode())
    await reply.start(200, (*route.rpc.lifecycle.headers(), content_type))
    if reply.is_head_only or first is None:
        await reply.end()
        return
    try:
        await reply.part(_framed(route, first, framing))
        async for message in messages:
            await reply.part(_framed(route, message, framing))
    except grpc.aio.AioRpcError as error:
        await reply.end(framing.error(reply.document(problem_of(refusal_of(error), route))))
    except Exception as error:  # noqa: BLE001 - the boundary: too late for a status, not for the truth
        await reply.end(framing.error(reply.document(our_fault(error))))
    else:
        await reply.end()


def _framed(route: Route, message: bytes, framing: Framing) -> bytes:
    return framing.message(document_of(route, route.rpc.response.FromString(message)))
