"""The sandbox's own controls, which Stripe does not have: the ledger, and faults.

`GET /sandbox/stripe/ledger?order_id=&payment_intent=&movement=` reads the ledger.
`POST`, `GET` and `DELETE /sandbox/stripe/faults` switch faults on, show them, clear them.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.stripe.faults import TIMED, Fault, FaultKind, Faults
from sandbox.stripe.ledger import FILTERS, Ledger
from sandbox.stripe.work import MakeId

_LONGEST_SECONDS = 300.0
_MOST_STRIKES = 1_000_000
_FIELDS = frozenset(
    {"kind", "operation", "probability", "count", "seconds", "retry_after_seconds", "seed"},
)


class BadFault(Exception):
    """A fault that cannot be switched on. `violations` says why, one text for each field."""

    def __init__(self, violations: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{field}: {text}" for field, text in violations.items()))
        self.violations = dict(violations)


def parse_fault(body: object, operations: Collection[str], identifier: str) -> Fault:
    """Read a fault from JSON.

    Raises:
        BadFault: It is wrong; all that is wrong is named at once.
    """
    if not isinstance(body, dict):
        raise BadFault({"": "the body must be a JSON object"})
    violations = dict.fromkeys(sorted(body.keys() - _FIELDS), "is not a field of a fault")
    violations |= _wrong_values(body, operations) or _wrong_together(body)
    if violations:
        raise BadFault(violations)
    return Fault(
        id=identifier,
        kind=FaultKind(body["kind"]),
        operation=body.get("operation", ""),
        probability=body.get("probability", 1.0),
        count=body.get("count"),
        seconds=body.get("seconds", 0.0),
        retry_after_seconds=body.get("retry_after_seconds", 1),
        seed=body.get("seed", secrets.randbits(32)),
    )


class Control:
    """Answers the control calls."""

    def __init__(self, ledger: Ledger, faults: Faults, operations: Collection[str], make_id: MakeId) -> None:
        self._ledger = ledger
        self._faults = faults
        self._operations = operations
        self._make_id = make_id

    def routes(self) -> list[Route]:
        """Where the controls are."""
        return [
            Route("/sandbox/stripe/ledger", self.ledger, methods=["GET"]),
            Route("/sandbox/stripe/faults", self.switch_on, methods=["POST"]),
            Route("/sandbox/stripe/faults", self.show, methods=["GET"]),
            Route("/sandbox/stripe/faults", self.clear, methods=["DELETE"]),
        ]

    async def ledger(self, request: Request) -> Response:
        """The movements, oldest first."""
        unknown = sorted(request.query_params.keys() - set(FILTERS))
        if unknown:
            return _refused({name: f"is not a filter; these are: {', '.join(FILTERS)}" for name in unknown})
        return JSONResponse({"entries": self._ledger.entries(dict(request.query_params))})

    async def switch_on(self, request: Request) -> Response:
        """Switch a fault on, and show it with its id and seed."""
        try:
            fault = parse_fault(json.loads(await request.body()), self._operations, self._make_id("fault"))
        except ValueError:
            return _refused({"": "the body must be JSON"})
        except BadFault as error:
            return _refused(error.violations)
        self._faults.switch_on(fault)
        return JSONResponse(fault.as_json(), status_code=201)

    async def show(self, _: Request) -> Response:
        """The faults that are on, with how often each has struck."""
        return JSONResponse({"faults": [fault.as_json() for fault in self._faults]})

    async def clear(self, _: Request) -> Response:
        """Switch all faults off."""
        self._faults.clear()
        return Response(status_code=204)


def _refused(violations: Mapping[str, str]) -> Response:
    errors = [{"field": field, "description": text} for field, text in violations.items()]
    return JSONResponse({"errors": errors}, status_code=400)


def _wrong_values(body: Mapping[str, Any], operations: Collection[str]) -> dict[str, str]:
    """What is wrong with each field by itself."""
    kinds = [kind.value for kind in FaultKind]
    fits = {
        "kind": (body.get("kind") in kinds, f"must be one of {', '.join(kinds)}"),
        "operation": (
            body.get("operation", "") in ("", *operations),
            f"must be one of {', '.join(sorted(operations))}",
        ),
        "probability": (_is_number(body.get("probability", 1), 0, 1), "must be a number from 0 to 1"),
        "count": (_is_whole(body.get("count", 1)), f"must be a whole number from 1 to {_MOST_STRIKES}"),
        "seconds": (
            _is_number(body.get("seconds", 0), 0, _LONGEST_SECONDS),
            f"must be a number from 0 to {_LONGEST_SECONDS:g}",
        ),
        "retry_after_seconds": (
            _is_whole(body.get("retry_after_seconds", 1)),
            "must be a whole number above 0",
        ),
        "seed": (_is_whole(body.get("seed", 1), smallest=0, largest=2**63), "must be a whole number"),
    }
    return {name: text for name, (is_right, text) in fits.items() if not is_right}


def _wrong_together(body: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with fields that are right each by itself."""
    wrong = {}
    if not {"probability", "count"} & body.keys():
        wrong["count"] = "give a count, a probability, or both"
    if (body["kind"] in TIMED) is not ("seconds" in body):
        wrong["seconds"] = f"is what {' and '.join(sorted(TIMED))} need, and only they"
    if "retry_after_seconds" in body and body["kind"] != FaultKind.RATE_LIMITED:
        wrong["retry_after_seconds"] = f"is for {FaultKind.RATE_LIMITED} only"
    return wrong


def _is_number(value: object, smallest: float, largest: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and smallest <= value <= largest


def _is_whole(value: object, smallest: int = 1, largest: int = _MOST_STRIKES) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and smallest <= value <= largest
