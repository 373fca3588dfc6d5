"""Protobuf to this service's own words and back."""

from __future__ import annotations

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp
from tillmesh.money.v1 import money_pb2
from tillmesh.payments.v1 import payments_pb2 as pb

from services.payments.model import Money, Payment, PaymentState

_STATES = {
    PaymentState.CREATED: pb.PAYMENT_STATE_CREATED,
    PaymentState.UNKNOWN: pb.PAYMENT_STATE_UNKNOWN,
    PaymentState.AUTHORIZED: pb.PAYMENT_STATE_AUTHORIZED,
    PaymentState.CAPTURED: pb.PAYMENT_STATE_CAPTURED,
    PaymentState.DECLINED: pb.PAYMENT_STATE_DECLINED,
}


def money(message: money_pb2.Money) -> Money:
    """The amount that is stated; one that is not is of no currency and nothing."""
    return Money(message.currency_code, message.minor_units)


def payment_message(payment: Payment) -> pb.Payment:
    """The payment as others may see it: without the handle of the card."""
    return pb.Payment(
        id=payment.id,
        order_id=payment.order_id,
        state=_STATES[payment.state],
        decline_reason=payment.decline_reason,
        amount=money_pb2.Money(
            currency_code=payment.amount.currency_code, minor_units=payment.amount.minor_units
        ),
        provider_id=payment.provider_id,
        create_time=_timestamp(payment.created_at),
        update_time=_timestamp(payment.updated_at),
    )


def _timestamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
