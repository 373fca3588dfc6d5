"""What must hold for the fields of a call, all faults at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from servicekit.errors import FieldViolation, InvalidArgument
from services.payments.errors import CurrencyMismatch, PaymentNotFound
from services.payments.model import MOST_MINOR, Method, Money, PaymentId

MOST_SHARES: Final = 20
"""Of one order: more tenders than anybody lays on a counter."""
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_HANDLE: Final = re.compile(r"(?!\d+$)[A-Za-z0-9_-]{1,255}")
"""Never digits alone: those would be a card's number, which must not come this far."""
_CODE: Final = re.compile(r"[A-Za-z0-9 -]{8,64}")


def check_payment(order_id: str, share: int, method: Method, amount: Money, handle: str) -> None:
    """Refuse a payment that could never be made.

    Raises:
        InvalidArgument: With every field at fault.
    """
    violations = [
        *_order_violations(order_id, share),
        *money_violations(amount),
        *_handle_violations(method, handle),
    ]
    if violations:
        raise InvalidArgument("the payment is not valid", violations=violations)


def check_part(amount: Money | None, whole: Money) -> None:
    """Refuse a part of a payment that could be a part of no payment in its currency."""
    if amount is None:
        return
    if violations := list(money_violations(amount)):
        raise InvalidArgument("the amount is not valid", violations=violations)
    # One that was called off before it was asked for has no currency yet.
    if amount.currency_code != (whole.currency_code or amount.currency_code):
        raise CurrencyMismatch(f"the payment is in {whole.currency_code}, not in {amount.currency_code}")


def money_violations(amount: Money) -> Iterator[FieldViolation]:
    """What is wrong with an amount that is to move."""
    if not _CURRENCY.fullmatch(amount.currency_code):
        yield FieldViolation("amount.currency_code", "must be an ISO 4217 code, such as EUR")
    if amount.minor_units <= 0:
        yield FieldViolation("amount.minor_units", "must be above zero")
    if amount.minor_units > MOST_MINOR:
        yield FieldViolation("amount.minor_units", "must fit into 64 bits")


def payment_id_of(text: str) -> PaymentId:
    """The id in its one spelling. What is no UUID names no payment."""
    if not is_uuid(text):
        raise not_found()
    return PaymentId(str(UUID(text)))


def is_uuid(text: str) -> bool:
    """True for a UUID in any spelling."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def not_found() -> PaymentNotFound:
    """The refusal."""
    return PaymentNotFound("there is no such payment")


def _order_violations(order_id: str, share: int) -> Iterator[FieldViolation]:
    if not is_uuid(order_id):
        yield FieldViolation("order_id", "must be a UUID")
    if not 0 <= share < MOST_SHARES:
        yield FieldViolation("share", f"must be from 0 to {MOST_SHARES - 1}")


def _handle_violations(method: Method, handle: str) -> Iterator[FieldViolation]:
    match method:
        case Method.CARD if not _HANDLE.fullmatch(handle):
            yield FieldViolation(
                "payment_method", "must be the provider's handle of a card, never its number"
            )
        case Method.GIFT_CARD if not _CODE.fullmatch(handle):
            yield FieldViolation("payment_method", "must be the code of a gift card")
        case Method.CASH if handle:
            yield FieldViolation("payment_method", "must be empty for cash")
