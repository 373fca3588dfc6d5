"""What can be wrong with one sale of a batch, all at once and without asking anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from servicekit.errors import InvalidArgument
from services.orders.model import AgeCheckMethod
from services.orders.model.offline import OfflineSale, SaleFault, TillId
from services.orders.usecases import baskets
from services.orders.usecases.fields import MAX_MINOR_UNITS

MAX_SEQUENCE: Final = 2**63 - 1
_METHODS: Final = frozenset(AgeCheckMethod)
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


def faults_of(sale: OfflineSale, till_id: TillId) -> tuple[SaleFault, ...]:
    """Every fault of the sale; none for one that may be taken."""
    return (*_own_faults(sale), *_order_faults(sale, till_id))


def _own_faults(sale: OfflineSale) -> Iterator[SaleFault]:
    if not 1 <= sale.sequence <= MAX_SEQUENCE:
        yield SaleFault("sequence", "must be 1 or more")
    if sale.sale_time is None:
        yield SaleFault("sale_time", "must be a time")
    if sale.age_check and sale.age_check.method not in _METHODS:
        yield SaleFault("age_check.method", f"must be one of {', '.join(sorted(_METHODS))}")
    if not _CURRENCY.fullmatch(sale.charged.currency_code):
        yield SaleFault("charged.currency_code", "must be three capital letters (ISO 4217)")
    if not 1 <= sale.charged.minor_units <= MAX_MINOR_UNITS:
        yield SaleFault("charged.minor_units", "must be 1 or more")


def _order_faults(sale: OfflineSale, till_id: TillId) -> Iterator[SaleFault]:
    if sale.till_id != till_id:
        yield SaleFault("order.till_id", "must be the till that sends the sale, or empty")
    try:
        baskets.check(sale.basket)
    except InvalidArgument as refusal:
        for violation in refusal.violations:
            yield SaleFault(f"order.{violation.field}", violation.description)
