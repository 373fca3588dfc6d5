"""What happens to every call of the API, in Stripe's order.

Key, rate limiter, parameters, idempotency layer, execution. Whatever is refused
before the execution begins is not kept under the idempotency key; whatever comes
after is. The faults of `faults.py` strike at the points they are named for.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from sandbox.server import ABORT
from sandbox.stripe import errors
from sandbox.stripe.errors import Answer, StripeError
from sandbox.stripe.faults import FaultKind, Faults
from sandbox.stripe.forms import Parameters
from sandbox.stripe.idempotency import LONGEST_KEY, Keys, fingerprint
from sandbox.stripe.objects import Object
from sandbox.stripe.store import Store
from sandbox.stripe.work import API_VERSION, Books, Call, Unrest, Work

_SECRET_KEY = re.compile(r"(sk|rk)_test_\w+", re.ASCII)
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Endpoint:
    """One thing that the API can do.

    Attributes:
        operation: Its name, for faults, such as `payment_intents.create`.
        method: GET or POST.
        path: With `{id}` where an object is named.
        parse: Reads and checks the parameters.
        run: Does it, inside a transaction, to the object that the path names.
    """

    operation: str
    method: str
    path: str
    parse: Callable[[Parameters], Any]
    run: Callable[[Work, str, Any], Object]


@dataclass(frozen=True)
class _Asked:
    """One call, read and checked."""

    endpoint: Endpoint
    command: Any
    identifier: str
    call: Call
    print: str


class _Dropped(Exception):
    """The connection closes without an answer."""


class _NoAnswer(Response):
    """Closes the connection instead of answering."""

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][ABORT]["abort"]()
        while (await receive())["type"] != "http.disconnect":
            pass


class Api:
    """Answers calls."""

    def __init__(self, store: Store, books: Books, keys: Keys, faults: Faults) -> None:
        self._store = store
        self._books = books
        self._keys = keys
        self._faults = faults

    async def handle(self, endpoint: Endpoint, request: Request) -> Response:
        """Answer one call, whatever is wrong with it."""
        request_id = self._books.make_id("req")
        try:
            answer = await self._answer(endpoint, request, request_id)
        except _Dropped:
            return _NoAnswer()
        except StripeError as error:
            answer = error.answer
        return rendered(answer, request, request_id)

    async def _answer(self, endpoint: Endpoint, request: Request, request_id: str) -> Answer:
        _authenticate(request.headers.get("Authorization", ""))
        self._limit(endpoint)
        parameters = await _parameters(request)
        command = endpoint.parse(parameters)
        parameters.finish()
        asked = _Asked(
            endpoint,
            command,
            request.path_params.get("id", ""),
            Call(request_id, _key(request), request.headers.get("traceparent", "")),
            fingerprint(request.method, request.url.path, parameters.pairs),
        )
        return await (self._once(asked) if asked.call.idempotency_key else self._execute(asked))

    def _limit(self, endpoint: Endpoint) -> None:
        fault = self._faults.draw(FaultKind.RATE_LIMITED, endpoint.operation)
        if fault is not None:
            raise errors.rate_limited(fault.retry_after_seconds)

    async def _once(self, asked: _Asked) -> Answer:
        key = asked.call.idempotency_key
        replay = self._keys.replay(key, asked.print)
        if replay is not None:
            return replay
        with self._keys.in_flight(key):
            return await self._execute(asked)

    async def _execute(self, asked: _Asked) -> Answer:
        operation = asked.endpoint.operation
        if (late := self._faults.draw(FaultKind.LATENCY, operation)) is not None:
            await asyncio.sleep(late.seconds)
        if self._faults.draw(FaultKind.ERROR_BEFORE_COMMIT, operation) is not None:
            return self._keep(asked, errors.internal().answer)
        broken = self._faults.draw(FaultKind.ERROR_AFTER_COMMIT, operation) is not None
        dropped = self._faults.draw(FaultKind.DROP_AFTER_COMMIT, operation) is not None
        with self._store.transaction():
            answer = self._run(asked)
            answer = self._keep(asked, errors.internal().answer if broken else answer)
        if dropped:
            raise _Dropped
        return answer

    def _run(self, asked: _Asked) -> Answer:
        work = Work(self._books, asked.call, self._unrest(asked.endpoint.operation))
        try:
            return Answer(200, asked.endpoint.run(work, asked.identifier, asked.command))
        except StripeError as error:
            return error.answer

    def _unrest(self, operation: str) -> Unrest:
        delay = self._faults.draw(FaultKind.WEBHOOK_DELAY, operation)
        spread = self._faults.draw(FaultKind.WEBHOOK_SPREAD, operation)
        twice = self._faults.draw(FaultKind.WEBHOOK_DUPLICATE, operation)
        lag = self._faults.draw(FaultKind.SEARCH_LAG, operation)

        def delays() -> float:
            return (delay.seconds if delay else 0.0) + (spread.part_of_seconds() if spread else 0.0)

        return Unrest(delays, 2 if twice else 1, lag.seconds if lag else 0.0)

    def _keep(self, asked: _Asked, answer: Answer) -> Answer:
        if asked.call.idempotency_key:
            self._keys.keep(asked.call.idempotency_key, asked.print, answer, asked.call.request_id)
        return answer


def rendered(answer: Answer, request: Request, request_id: str) -> Response:
    """An answer on the wire, with the headers that Stripe sets on all of them."""
    headers = {
        "Request-Id": request_id,
        "Stripe-Version": request.headers.get("Stripe-Version", API_VERSION),
        **answer.headers,
    }
    if key := request.headers.get("Idempotency-Key"):
        headers["Idempotency-Key"] = key
    body = json.dumps(answer.body).encode()
    return Response(body, answer.status, headers, media_type="application/json")


async def _parameters(request: Request) -> Parameters:
    if request.method == "GET":
        return Parameters(request.url.query.encode())
    body = await request.body()
    if body and request.headers.get("Content-Type", "").split(";")[0].strip().lower() != _FORM:
        raise errors.malformed(f"Invalid content type: the API reads {_FORM}.")
    return Parameters(body)


def _key(request: Request) -> str:
    if request.method == "GET":
        return ""
    key = request.headers.get("Idempotency-Key", "")
    if len(key) > LONGEST_KEY:
        raise errors.malformed(f"Idempotency keys are at most {LONGEST_KEY} characters long.")
    return key


def _authenticate(authorization: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    key = credentials.strip()
    if scheme.lower() == "basic":
        key = _user_of(key)
    if not key:
        raise errors.unauthenticated(
            "You did not provide an API key. Use HTTP Bearer or Basic authentication with your secret key."
        )
    if not _SECRET_KEY.fullmatch(key):
        raise errors.unauthenticated(f"Invalid API Key provided: {key[:8]}{'*' * 12}")


def _user_of(credentials: str) -> str:
    """The user name of Basic credentials, which is where Stripe wants the key."""
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
