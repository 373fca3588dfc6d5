"""The gateway as an ASGI application: one table of routes, one way through it.

The order is fixed: limits of the head, path, method, life cycle, then the call with
what it asks for (see calls.py). Whatever happens, the client gets one whole answer
with its request id, and no more than our own words.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

from gateway.answer import Answer, problem_of
from gateway.calls import Calls
from gateway.health import Page
from gateway.incoming import ClientGone, Head, Receive, Send
from gateway.matching import ANY_METHOD, Match, MethodUnknown, Paths, PathUnknown
from gateway.problems import MalformedPath, MethodNotAllowed, NoSuchPath, OurFault, Problem, Sunset
from gateway.reply import Reply
from gateway.routes import Route
from gateway.signals import Exchange, Signals
from gateway.templates import BadPath
from servicekit.clock import Clock
from servicekit.errors import Refusal

Endpoint: TypeAlias = Route | Page


class Gateway:
    """Answers HTTP requests from the services of the mesh.

    Args:
        table: What each path and method leads to.
        calls: Makes the calls.
        signals: Records the exchanges.
        clock: Tells what is past its sunset.
    """

    def __init__(self, table: Paths[Endpoint], calls: Calls, signals: Signals, clock: Clock) -> None:
        self._table = table
        self._calls = calls
        self._signals = signals
        self._clock = clock

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request; see the ASGI specification."""
        if scope["type"] != "http":
            raise NotImplementedError(f"the gateway does not speak {scope['type']}")
        with self._signals.exchange(Head(scope)) as exchange:
            reply = Reply(exchange, send)
            try:
                await self._serve(exchange, receive, reply)
            except ClientGone:
                exchange.reason = "CLIENT_GONE"
            except Problem as problem:
                await reply.tell(problem)
            except Exception as error:  # noqa: BLE001 - the boundary: every error becomes an answer
                await reply.tell(self._our_fault(error))

    async def _serve(self, exchange: Exchange, receive: Receive, reply: Reply) -> None:
        exchange.head.check(self._calls.limits)
        found = self._find(exchange.head)
        if isinstance(found, Answer):
            await reply.send(found)
        elif isinstance(found.target, Page):
            exchange.route = found.target.path
            await reply.send(found.target.answer())
        else:
            exchange.route = found.target.template.text
            await self._call(found.target, found.segments, exchange, receive, reply)

    def _find(self, head: Head) -> Match[Endpoint] | Answer:
        """What the request leads to; the answer itself for OPTIONS, which asks what there is."""
        method = "GET" if head.method == "HEAD" else head.method
        try:
            return self._table.find(method, head.path)
        except BadPath as error:
            raise _malformed(error) from error
        except PathUnknown:
            raise NoSuchPath("There is nothing at this path.") from None
        except MethodUnknown as error:
            allowed = _with_made_here(error.allowed)
            allow = ((b"allow", ", ".join(allowed).encode()),)
            if method == "OPTIONS":
                return Answer(204, allow)
            raise MethodNotAllowed(f"This path answers to {', '.join(allowed)}.", headers=allow) from None

    async def _call(
        self, route: Route, segments: list[str], exchange: Exchange, receive: Receive, reply: Reply
    ) -> None:
        if route.rpc.lifecycle.is_over(self._clock.now()):
            raise Sunset("This call has ended for good.", headers=route.rpc.lifecycle.headers())
        calls, request = self._calls, exchange.request
        try:
            message = await calls.prepare(route, segments, exchange.head, receive, request)
            if route.rpc.is_streaming:
                await calls.stream(route, message, receive, reply, self._our_fault)
            else:
                await reply.send(await calls.unary(route, message, receive))
        except BadPath as error:
            raise _malformed(error) from error
        except Refusal as refusal:
            raise problem_of(refusal, route) from refusal

    def _our_fault(self, error: Exception) -> Problem:
        return OurFault("Something went wrong on our side.", error_id=self._signals.failed(error))


def _malformed(error: BadPath) -> MalformedPath:
    return MalformedPath(f"The path cannot be read: {error}.")


def _with_made_here(methods: tuple[str, ...]) -> list[str]:
    """The methods of a path, with those that the gateway makes of them."""
    made = {"HEAD", "OPTIONS"} if "GET" in methods else {"OPTIONS"}
    return sorted({*methods, *made} - {ANY_METHOD})
