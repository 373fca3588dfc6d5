"""Money on its way back: let go of while it is held, refunded once it is taken.

Both can be repeated from the beginning: a void is one however often it is asked for,
and a refund is given once for each name.
"""

from __future__ import annotations

from uuid import UUID, uuid5

from services.orders.model import Closing, Money, Order, PaymentId, Refund, RefundId
from services.orders.ports import Payments, PaymentTaken, PaymentUnsettled


async def let_go(payments: Payments, order: Order) -> Closing:
    """Leave nothing held or taken of an order that closes; how it ends.

    Every share is let go of, one that nobody ever answered for too: should its authorisation still
    arrive, it finds itself called off. Raises `PaymentUnsettled` while any of it is open.
    """
    if order.closing is None:
        raise LookupError(f"order {order.id} is {order.state} and not closing")
    for share, tender in enumerate(order.tenders):
        payment_id = tender.payment_id or payments.id_of(order.id, share)
        try:
            payment = await payments.void(payment_id)
        except PaymentTaken:
            await _take_back(payments, order, payment_id, tender.amount)
        else:
            if not payment.state.is_nothing:
                raise PaymentUnsettled("unknown", f"payment {payment.id} is {payment.state}")
    return order.closing


async def pay_back(payments: Payments, order: Order) -> Refund:
    """Give back the oldest refund that is not made; that refund.

    A payment tells what was given back of it in sum. Refunds of one order are made one after the
    other, so the sum says whether this one is among it. Raises `PaymentUnsettled` until it is.
    """
    refund = order.open_refund
    if refund is None:
        raise LookupError(f"order {order.id} is {order.state} and has no open refund")
    for share, minor in enumerate(refund.shares):
        if not minor:
            continue
        made = sum(one.shares[share] for one in order.refunds if one.is_made(order.sequence))
        payment_id = order.tenders[share].payment_id or payments.id_of(order.id, share)
        amount = Money(order.total.currency_code, minor)
        payment = await payments.refund(payment_id, amount, refund.id)
        if payment.refunded_minor < made + minor:
            raise PaymentUnsettled("unknown", f"payment {payment.id} is {payment.state}")
    return refund


async def _take_back(payments: Payments, order: Order, payment_id: PaymentId, amount: Money) -> None:
    name = RefundId(str(uuid5(UUID(order.id), "called off")))
    payment = await payments.refund(payment_id, amount, name)
    if payment.refunded_minor < amount.minor_units:
        raise PaymentUnsettled("unknown", f"payment {payment.id} is {payment.state}")
