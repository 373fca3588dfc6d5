"""The parts of the Stripe stand-in, put together."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.stripe import errors, events, intents, objects, refunds, search
from sandbox.stripe.api import Api, Endpoint, rendered
from sandbox.stripe.control import Control
from sandbox.stripe.faults import Faults
from sandbox.stripe.forms import Parameters
from sandbox.stripe.idempotency import Keys
from sandbox.stripe.ledger import Ledger
from sandbox.stripe.objects import Objects
from sandbox.stripe.store import Store
from sandbox.stripe.webhooks import Courier, Deliveries, Destination
from sandbox.stripe.work import Books, MakeId, Now


def _nothing(_: Parameters) -> None:
    """An endpoint without parameters of its own."""


ENDPOINTS = (
    Endpoint("payment_intents.create", "POST", intents.URL, intents.parse_create, intents.create),
    Endpoint("payment_intents.list", "GET", intents.URL, objects.parse_page, intents.listed),
    Endpoint("payment_intents.search", "GET", f"{intents.URL}/search", search.parse, intents.found),
    Endpoint("payment_intents.retrieve", "GET", f"{intents.URL}/{{id}}", _nothing, intents.retrieve),
    Endpoint(
        "payment_intents.confirm",
        "POST",
        f"{intents.URL}/{{id}}/confirm",
        intents.parse_confirm,
        intents.confirm,
    ),
    Endpoint(
        "payment_intents.capture",
        "POST",
        f"{intents.URL}/{{id}}/capture",
        intents.parse_capture,
        intents.capture,
    ),
    Endpoint(
        "payment_intents.cancel", "POST", f"{intents.URL}/{{id}}/cancel", intents.parse_cancel, intents.cancel
    ),
    Endpoint("refunds.list", "GET", refunds.URL, refunds.parse_list, refunds.listed),
    Endpoint("refunds.create", "POST", refunds.URL, refunds.parse_create, refunds.create),
    Endpoint("refunds.retrieve", "GET", f"{refunds.URL}/{{id}}", _nothing, refunds.retrieve),
    Endpoint("events.list", "GET", events.URL, objects.parse_page, events.listed),
    Endpoint("events.retrieve", "GET", f"{events.URL}/{{id}}", _nothing, events.retrieve),
)


class Stripe:
    """The stand-in: routes to mount, and a courier to run beside them."""

    def __init__(self, store: Store, destination: Destination | None, now: Now, make_id: MakeId) -> None:
        deliveries = Deliveries(store, destination)
        ledger = Ledger(store)
        faults = Faults()
        books = Books(Objects(store), ledger, deliveries, now, make_id)
        self.courier = Courier(deliveries, now)
        self._api = Api(store, books, Keys(store), faults)
        self._control = Control(ledger, faults, [each.operation for each in ENDPOINTS], make_id)
        self._make_id = make_id

    def routes(self) -> list[Route]:
        """The API, the controls, and Stripe's own answer for every other path under /v1."""
        api = [Route(each.path, self._handler(each), methods=[each.method]) for each in ENDPOINTS]
        anything = Route(
            "/v1/{path:path}", self._unrecognized, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]
        )
        return [*self._control.routes(), *api, anything]

    def _handler(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        return functools.partial(self._api.handle, endpoint)

    async def _unrecognized(self, request: Request) -> Response:
        error = errors.unrecognized_url(request.method, request.url.path)
        return rendered(error.answer, request, self._make_id("req"))
