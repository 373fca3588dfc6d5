"""One request that leads to an RPC: what is asked before, the call, and its answer."""

from collections.abc import Callable
from dataclasses import dataclass

import grpc
from google.protobuf.message import Message

from gateway import idempotency
from gateway.answer import Answer, answer_of
from gateway.binding import bind
from gateway.hangup import hanging_up
from gateway.identity import Verifier, identified
from gateway.incoming import JSON_TYPE, Head, Limits, Receive, read_body
from gateway.negotiation import preferred
from gateway.peers import Peers
from gateway.problems import BodyNotExpected, IdempotencyKeyMissing, NotAcceptable, Problem
from gateway.reply import Reply
from gateway.routes import Route
from gateway.streams import FRAMINGS, NDJSON, pump
from servicekit.context import RequestContext, current
from servicekit.status import refusal_of


@dataclass(frozen=True, slots=True)
class Calls:
    """Makes calls for requests.

    Attributes:
        peers: Where calls go.
        verifier: Tells whose a token is.
        limits: How much a client may send.
    """

    peers: Peers
    verifier: Verifier
    limits: Limits

    async def prepare(
        self, route: Route, segments: list[str], head: Head, receive: Receive, request: RequestContext
    ) -> Message:
        """The message of the call, once everything that can be refused here was not.

        Sets what `request` carries to the service: the caller, the token, the key.
        """
        _check_accept(route, head)
        if not route.rpc.rule.public:
            identity = await identified(self.verifier, head.header(b"authorization"))
            request.caller, request.authorization = identity
        if route.rpc.reads_key:
            request.idempotency_key = idempotency.key_of(head.header(b"idempotency-key"))
        # The service says why a planned RPC cannot be called; a key would not help.
        if route.rpc.rule.needs_key and not request.idempotency_key and not route.rpc.rule.planned:
            raise IdempotencyKeyMissing(
                "This call needs an Idempotency-Key header, so that repeating it is safe."
            )
        body = await self._body(route, head, receive)
        message = bind(route, segments, head.query, body, head.header(b"content-type"))
        for name, field in route.rpc.headers:
            setattr(message, field, head.header(name))
        return message

    async def unary(self, route: Route, message: Message, receive: Receive) -> Answer:
        """The answer of a unary RPC. Raises Refusal for what the service refused, and ClientGone."""
        call = self.peers.call(route.rpc, message, current().idempotency_key)
        try:
            async with hanging_up(receive, call):
                response: bytes = await call
        except grpc.aio.AioRpcError as error:
            raise refusal_of(error) from error
        return answer_of(route, route.rpc.response.FromString(response))

    async def stream(
        self,
        route: Route,
        message: Message,
        receive: Receive,
        reply: Reply,
        our_fault: Callable[[Exception], Problem],
    ) -> None:
        """Answer with what a server-streaming RPC sends; see `streams.pump`."""
        framing = FRAMINGS[preferred(reply.accept, list(FRAMINGS)) or NDJSON.media_type]
        call = self.peers.call(route.rpc, message, current().idempotency_key)
        async with hanging_up(receive, call):
            await pump(route, aiter(call), framing, reply, our_fault)

    async def _body(self, route: Route, head: Head, receive: Receive) -> bytes:
        if not head.announces_body:
            return await read_body(head, receive, self.limits)
        if not route.reads_body:
            raise BodyNotExpected("This call has no body.")
        head.check_content(takes_any=route.takes_any_content)
        return await read_body(head, receive, self.limits)


def _check_accept(route: Route, head: Head) -> None:
    if route.gives_any_content:
        return  # Which type it has, the service says; RFC 9110, section 12.4.1, lets it be sent.
    offered = list(FRAMINGS) if route.rpc.is_streaming else [JSON_TYPE]
    if preferred(head.header(b"accept"), offered) is None:
        raise NotAcceptable(f"This call answers with {' or '.join(offered)}.")
