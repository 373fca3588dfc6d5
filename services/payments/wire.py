"""Protobuf to this service's own words and back."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.money.v1 import money_pb2
from tillmesh.payments.v1 import payments_pb2 as pb

from services.payments.model import Method, Money, Payment, PaymentState
from services.payments.usecases import IssuedGiftCard

_STATES = {
    PaymentState.CREATED: pb.PAYMENT_STATE_CREATED,
    PaymentState.UNKNOWN: pb.PAYMENT_STATE_UNKNOWN,
    PaymentState.AUTHORIZED: pb.PAYMENT_STATE_AUTHORIZED,
    PaymentState.CAPTURED: pb.PAYMENT_STATE_CAPTURED,
    PaymentState.DECLINED: pb.PAYMENT_STATE_DECLINED,
    PaymentState.VOIDED: pb.PAYMENT_STATE_VOIDED,
    PaymentState.PARTIALLY_REFUNDED: pb.PAYMENT_STATE_PARTIALLY_REFUNDED,
    PaymentState.REFUNDED: pb.PAYMENT_STATE_REFUNDED,
}
_METHODS = {
    Method.CARD: pb.PAYMENT_METHOD_CARD,
    Method.CASH: pb.PAYMENT_METHOD_CASH,
    Method.GIFT_CARD: pb.PAYMENT_METHOD_GIFT_CARD,
}
_METHODS_ASKED: dict[int, Method] = {message: method for method, message in _METHODS.items()}


def money(message: money_pb2.Money) -> Money:
    """The amount that is stated; one that is not is of no currency and nothing."""
    return Money(message.currency_code, message.minor_units)


def part(message: pb.CaptureRequest | pb.RefundRequest) -> Money | None:
    """The amount that is stated, if one is."""
    return money(message.amount) if message.HasField("amount") else None


def method(asked: int) -> Method:
    """How to pay; a card where it is not stated, or where it is nothing that we know."""
    return _METHODS_ASKED.get(asked, Method.CARD)


def payment_message(payment: Payment) -> pb.Payment:
    """The payment as others may see it: without the handle of the card."""
    message = pb.Payment(
        id=payment.id,
        order_id=payment.order_id,
        state=_STATES[payment.state],
        decline_reason=payment.decline_reason,
        amount=_money_message(payment.amount),
        provider_id=payment.provider_id,
        create_time=_timestamp(payment.created_at),
        update_time=_timestamp(payment.updated_at),
        method=_METHODS[payment.method],
        share=payment.share,
    )
    currency = payment.amount.currency_code
    if payment.captured_minor:
        message.captured.CopyFrom(_money_message(Money(currency, payment.captured_minor)))
    if payment.refunded_minor:
        message.refunded.CopyFrom(_money_message(Money(currency, payment.refunded_minor)))
    return message


def gift_card_message(issued: IssuedGiftCard) -> pb.IssueGiftCardResponse:
    """The gift card, with its code, for whoever issued it."""
    balance = Money(issued.card.issued.currency_code, issued.card.balance_minor)
    return pb.IssueGiftCardResponse(id=issued.card.id, code=issued.code, balance=_money_message(balance))


def _money_message(amount: Money) -> money_pb2.Money:
    return money_pb2.Money(currency_code=amount.currency_code, minor_units=amount.minor_units)


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
