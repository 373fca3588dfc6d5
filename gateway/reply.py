"""The answer to one request as ASGI messages: whole, or message by message.

Every answer carries the request's id. HEAD gets the head that GET would.
"""

from typing import Final

from gateway.answer import Answer
from gateway.incoming import CLOSE, JSON_TYPE, Send
from gateway.negotiation import quality
from gateway.problems import PROBLEM_TYPE, Headers, Occurrence, Problem, problem_document, rendered
from gateway.signals import Exchange

ON_EVERY_ANSWER: Final[Headers] = (
    (b"cache-control", b"no-store"),
    (b"vary", b"accept"),
    (b"x-content-type-options", b"nosniff"),
)

ERROR: Final = 400
"""Where HTTP's errors begin."""


class Reply:
    """Answers one exchange, once."""

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.is_head_only = exchange.head.method == "HEAD"
        self.accept = exchange.head.header(b"accept")

    async def send(self, answer: Answer) -> None:
        """Answer as a whole."""
        length = ((b"content-length", str(len(answer.body)).encode()),) if answer.status != 204 else ()  # noqa: PLR2004 - No Content has no length (RFC 9110 section 8.6)
        await self.start(answer.status, (*answer.headers, *length))
        await self.end(answer.body)

    async def tell(self, problem: Problem) -> None:
        """Answer with a problem, in the form that the client prefers."""
        self._exchange.reason = problem.reason
        as_status = quality(self.accept, JSON_TYPE) > quality(self.accept, PROBLEM_TYPE)
        content_type, body = rendered(problem, self._occurrence(), as_status=as_status)
        headers = (*problem.headers, (b"content-type", content_type))
        await self.send(Answer(problem.status, headers, body))

    def document(self, problem: Problem) -> dict[str, object]:
        """The document of a problem that comes too late to be the answer."""
        self._exchange.reason = problem.reason
        return problem_document(problem, self._occurrence())

    async def start(self, status: int, headers: Headers) -> None:
        """Begin an answer whose body follows in parts."""
        self._exchange.status = status
        exchange = self._exchange
        request_id = (b"x-request-id", exchange.request.request_id.encode())
        if status >= ERROR and exchange.head.header(b"expect"):
            # The client may hold its body back for good, or not: what comes next cannot be told apart.
            headers = (*headers, *CLOSE)
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*headers, request_id, *ON_EVERY_ANSWER],
            }
        )

    async def part(self, body: bytes) -> None:
        """One part of the body; returns when there is room for the next."""
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """The last part of the body."""
        await self._send({"type": "http.response.body", "body": b"" if self.is_head_only else body})

    def _occurrence(self) -> Occurrence:
        exchange = self._exchange
        return Occurrence(exchange.head.path, exchange.request.request_id, exchange.trace_id)
