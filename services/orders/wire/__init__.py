"""Protobuf to model and back: total functions, no decisions."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.money.v1 import money_pb2
from tillmesh.orders.v1 import inventory_pb2, operations_pb2, orders_pb2, products_pb2
from tillmesh.payments.v1 import payments_pb2

from services.orders.model import (
    Basket,
    BasketLine,
    DeadLetter,
    Money,
    Movement,
    Order,
    OrderEvent,
    OrderLine,
    OrderState,
    Payment,
    PaymentId,
    PaymentState,
    Product,
    Stock,
    Tender,
    Tendered,
    TenderMethod,
)

_STATE_PREFIX: Final = "ORDER_STATE_"
_STATE_NAMES: Final[dict[int, str]] = {
    orders_pb2.ORDER_STATE_UNSPECIFIED: "",
    **{orders_pb2.OrderState.Value(f"{_STATE_PREFIX}{state}"): state for state in OrderState},
}
_PAYMENT_STATES: Final = {
    payments_pb2.PaymentState.Value(f"PAYMENT_STATE_{state}"): state for state in PaymentState
}
_METHODS: Final = {
    "card": TenderMethod.CARD,
    "cash": TenderMethod.CASH,
    "gift_card": TenderMethod.GIFT_CARD,
}


def fingerprint(request: Message) -> bytes:
    """SHA-256 of the request: equal for equal requests, within one version of this program."""
    return hashlib.sha256(request.SerializeToString(deterministic=True)).digest()


def money_of(money: money_pb2.Money) -> Money:
    """An amount."""
    return Money(money.currency_code, money.minor_units)


def money(money: Money) -> money_pb2.Money:
    """An amount."""
    return money_pb2.Money(currency_code=money.currency_code, minor_units=money.minor_units)


def basket_of(request: orders_pb2.CreateOrderRequest) -> Basket:
    """A basket, as asked for."""
    return Basket(
        lines=tuple(BasketLine(line.sku, line.quantity) for line in request.lines),
        tenders=tuple(_tendered(tender) for tender in request.tenders),
        till_id=request.till_id,
    )


def state_of(state: int) -> str:
    """The name of a state in our words; empty for none, the bare number for one we do not know."""
    return _STATE_NAMES.get(state, str(state))


def order(order: Order) -> orders_pb2.Order:
    """An order."""
    return orders_pb2.Order(
        id=order.id,
        state=orders_pb2.OrderState.Value(f"{_STATE_PREFIX}{order.state}"),
        state_reason=order.state_reason,
        lines=[_line(line) for line in order.lines],
        total=money(order.total),
        payment_id=order.payment_id or "",
        placed_by=order.placed_by,
        create_time=timestamp(order.created_at),
        update_time=timestamp(order.updated_at),
        payments=[_order_payment(tender) for tender in order.tenders],
        refunded=_refunded(order),
        minimum_age=order.minimum_age,
        till_id=order.till_id,
    )


def order_event(order_then: Order, event: OrderEvent) -> orders_pb2.WatchOrderResponse:
    """An event, with the order right after it."""
    return orders_pb2.WatchOrderResponse(
        order=order(order_then), sequence=event.sequence, event=event.name, time=timestamp(event.at)
    )


def amount_of(request: orders_pb2.RefundOrderRequest) -> Money | None:
    """The amount asked for; none for all that is left."""
    return money_of(request.amount) if request.HasField("amount") else None


def product(product: Product) -> products_pb2.Product:
    """A product."""
    return products_pb2.Product(
        sku=product.sku,
        name=product.name,
        price=money(product.price),
        minimum_age=product.minimum_age,
        create_time=timestamp(product.created_at),
    )


def stock(stock: Stock) -> inventory_pb2.Stock:
    """A stock."""
    return inventory_pb2.Stock(
        sku=stock.sku,
        on_hand=stock.on_hand,
        reserved=stock.reserved,
        available=stock.available,
        update_time=timestamp(stock.updated_at),
        low_threshold=stock.low_threshold,
        is_low=stock.is_low,
    )


def movement(movement: Movement) -> inventory_pb2.StockMovement:
    """A change of a stock."""
    return inventory_pb2.StockMovement(
        number=movement.number,
        reason=inventory_pb2.StockMovementReason.Value(f"STOCK_MOVEMENT_REASON_{movement.reason}"),
        quantity=movement.quantity,
        on_hand=movement.on_hand,
        reserved=movement.reserved,
        order_id=movement.order_id or "",
        delivery_id=movement.delivery_id or "",
        time=timestamp(movement.at),
    )


def dead_letter(letter: DeadLetter) -> operations_pb2.DeadLetter:
    """Work that gave up."""
    return operations_pb2.DeadLetter(
        id=letter.id,
        kind=letter.kind,
        order_id=letter.key,
        failure=letter.failure,
        time=timestamp(letter.gave_up_at),
    )


def payment_of(payment: payments_pb2.Payment) -> Payment:
    """A payment; a state that we do not know tells us nothing of the money."""
    state = _PAYMENT_STATES.get(payment.state, PaymentState.UNKNOWN)
    refunded_minor = payment.refunded.minor_units
    return Payment(PaymentId(payment.id), state, payment.decline_reason, refunded_minor)


def method(method: TenderMethod) -> payments_pb2.PaymentMethod.ValueType:
    """How a share is paid."""
    return payments_pb2.PaymentMethod.Value(f"PAYMENT_METHOD_{method}")


def text(content: str, content_type: str) -> HttpBody:
    """Text that is answered as it is."""
    return HttpBody(content_type=content_type, data=content.encode())


def _line(line: OrderLine) -> orders_pb2.OrderLine:
    unit_price = money(line.unit_price)
    return orders_pb2.OrderLine(sku=line.sku, name=line.name, quantity=line.quantity, unit_price=unit_price)


def _tendered(tender: orders_pb2.Tender) -> Tendered:
    named = tender.WhichOneof("method")
    handles = {"card": tender.card.payment_method, "gift_card": tender.gift_card.code}
    return Tendered(
        method=_METHODS[named] if named else None,
        handle=handles.get(named or "", ""),
        amount=money_of(tender.amount) if tender.HasField("amount") else None,
    )


def _order_payment(tender: Tender) -> orders_pb2.OrderPayment:
    return orders_pb2.OrderPayment(
        payment_id=tender.payment_id or "", method=tender.method.lower(), amount=money(tender.amount)
    )


def _refunded(order: Order) -> money_pb2.Money | None:
    if not order.refunded_minor:
        return None
    return money(Money(order.total.currency_code, order.refunded_minor))


def timestamp(moment: datetime) -> Timestamp:
    """A moment."""
    message = Timestamp()
    message.FromDatetime(moment)
    return message
