"""Receipts: a completed order as its buyer takes it home.

The layout is an experiment, `receipt-layout`. Only a buyer who looks at a receipt of
their own takes part: what the staff print tells nothing of customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from servicekit.context import Caller, current
from services.orders.errors import NoReceiptYet, OrderNotFound
from services.orders.model import Money, Order, OrderId, OrderState
from services.orders.ports import Orders
from services.orders.usecases.experiments import RECEIPT_LAYOUT, Experiments

PLAIN: Final = "plain"
ITEMIZED: Final = "itemized"

WIDTH: Final = 40
"""Characters on a line of the printers at the tills."""

_SOLD: Final = frozenset({OrderState.COMPLETED, OrderState.REFUNDED, OrderState.PARTIALLY_REFUNDED})
_DIGITS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("CLP", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217: the currencies whose minor unit is not a hundredth."""


class Receipts:
    """The receipts of the shop."""

    def __init__(self, orders: Orders, experiments: Experiments) -> None:
        self._orders = orders
        self._experiments = experiments

    async def print(self, order_id: str) -> str:
        """The receipt of one order; somebody else's order is not found, except by the staff."""
        caller = current().caller
        order = await self._orders.get(OrderId(order_id))
        if order is None or not _may_see(caller, order):
            raise OrderNotFound("there is no order with this id")
        if order.state not in _SOLD:
            raise NoReceiptYet(f"the order is {order.state}: there is no receipt before it is completed")
        layout = await self._experiments.variant(RECEIPT_LAYOUT, order.placed_by, PLAIN)
        if caller.subject == order.placed_by:
            await self._experiments.expose(RECEIPT_LAYOUT, layout, order)
        return "".join(f"{line}\n" for line in laid_out(order, layout))


def laid_out(order: Order, layout: str) -> Iterator[str]:
    """The lines of a receipt; a layout that is not known is the plain one."""
    yield "Tillmesh".center(WIDTH).rstrip()
    yield f"{order.updated_at:%Y-%m-%d %H:%M} UTC"
    yield f"Order {order.id}"
    yield "-" * WIDTH
    if layout == ITEMIZED:
        for line in order.lines:
            total = Money(line.unit_price.currency_code, line.total_minor)
            yield line.name[:WIDTH]
            yield _pair(f"  {line.quantity} x {amount(line.unit_price)}", amount(total))
        yield "-" * WIDTH
    yield _pair("Total", f"{order.total.currency_code} {amount(order.total)}")
    yield "Thank you."


def amount(money: Money) -> str:
    """An amount as people write it, without its currency: `12.50`."""
    digits = _DIGITS.get(money.currency_code, 2)
    if not digits:
        return str(money.minor_units)
    major, minor = divmod(money.minor_units, 10**digits)
    return f"{major}.{minor:0{digits}d}"


def _pair(left: str, right: str) -> str:
    return f"{left}{right:>{max(WIDTH - len(left), len(right) + 1)}}"


def _may_see(caller: Caller, order: Order) -> bool:
    return caller.is_staff or (bool(caller.subject) and order.placed_by == caller.subject)
