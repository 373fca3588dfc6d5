"""The payments service, as our port shows it, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from tillmesh.payments.v1 import payments_pb2 as pb

from servicekit.clock import uuid7
from servicekit.errors import InvalidArgument, Kind, Refusal, StoreUnavailable
from services.orders import wire
from services.orders.clients import GrpcPayments
from services.orders.model import Money, OrderId, PaymentId, PaymentState, RefundId, Tender, TenderMethod
from services.orders.ports import PaymentRefused, PaymentTaken, PaymentUnsettled
from services.payments.model import names
from tests.services.orders.fakes import DECLINED, VISA, FakePayments
from tests.services.orders.peer import FakePaymentsServicer, payments_server

AMOUNT = Money("EUR", 500)


class Mismatch(Refusal):
    kind = Kind.FAILED_PRECONDITION
    reason = "PAYMENT_MISMATCH"


@pytest.fixture
def servicer() -> FakePaymentsServicer:
    return FakePaymentsServicer(FakePayments())


@pytest.fixture
async def payments(servicer: FakePaymentsServicer) -> AsyncIterator[GrpcPayments]:
    async with payments_server(servicer) as target, grpc.aio.insecure_channel(target) as channel:
        yield GrpcPayments(channel)


async def test_a_payment_is_authorized_and_captured(payments: GrpcPayments) -> None:
    authorized = await payments.authorize(OrderId(uuid7()), 0, Tender(TenderMethod.CARD, VISA, AMOUNT))
    captured = await payments.capture(authorized.id)

    assert authorized.state is PaymentState.AUTHORIZED
    assert (captured.id, captured.state) == (authorized.id, PaymentState.CAPTURED)


async def test_a_declined_card_is_an_answer(payments: GrpcPayments) -> None:
    payment = await payments.authorize(OrderId(uuid7()), 0, Tender(TenderMethod.CARD, DECLINED, AMOUNT))

    assert (payment.state, payment.decline_reason) == (PaymentState.DECLINED, "insufficient_funds")


async def test_a_payment_that_is_not_valid_is_refused_for_good(
    payments: GrpcPayments, servicer: FakePaymentsServicer
) -> None:
    servicer.refusal = InvalidArgument("too large")

    with pytest.raises(PaymentRefused) as refused:
        await payments.authorize(OrderId(uuid7()), 0, Tender(TenderMethod.CARD, VISA, AMOUNT))

    assert refused.value.reason == "PAYMENT_NOT_VALID"


@pytest.mark.parametrize("refusal", [StoreUnavailable("away"), Mismatch("another amount")])
async def test_after_any_other_error_the_payment_is_open(
    payments: GrpcPayments, servicer: FakePaymentsServicer, refusal: Refusal
) -> None:
    servicer.refusal = refusal

    with pytest.raises(PaymentUnsettled) as unsettled:
        await payments.authorize(OrderId(uuid7()), 0, Tender(TenderMethod.CARD, VISA, AMOUNT))

    assert (unsettled.value.cause, str(unsettled.value)) == ("unavailable", refusal.message)


async def test_a_capture_that_fails_leaves_the_payment_open(
    payments: GrpcPayments, servicer: FakePaymentsServicer
) -> None:
    servicer.refusal = InvalidArgument("no such payment")

    with pytest.raises(PaymentUnsettled):
        await payments.capture(PaymentId(uuid7()))


async def test_nobody_at_the_other_end_leaves_the_payment_open() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(PaymentUnsettled):
            await GrpcPayments(channel).authorize(
                OrderId(uuid7()), 0, Tender(TenderMethod.CARD, VISA, AMOUNT)
            )


def test_a_payment_state_that_we_do_not_know_tells_nothing_of_the_money() -> None:
    payment = wire.payment_of(pb.Payment(id="p", state=99))  # type: ignore[arg-type] # from a later release

    assert payment.state is PaymentState.UNKNOWN


async def test_a_payment_is_let_go_of_or_was_taken(payments: GrpcPayments) -> None:
    order_id, tender = OrderId(uuid7()), Tender(TenderMethod.CARD, VISA, AMOUNT)
    held = await payments.authorize(order_id, 0, tender)
    taken = await payments.authorize(order_id, 1, tender)
    await payments.capture(taken.id)

    assert (await payments.void(held.id)).state is PaymentState.VOIDED
    with pytest.raises(PaymentTaken):
        await payments.void(taken.id)
    with pytest.raises(PaymentRefused) as refused:
        await payments.capture(held.id)
    assert refused.value.reason == "PAYMENT_NOT_HELD"


async def test_a_refund_is_made_once_and_never_too_large(payments: GrpcPayments) -> None:
    taken = await payments.authorize(OrderId(uuid7()), 0, Tender(TenderMethod.CARD, VISA, AMOUNT))
    await payments.capture(taken.id)
    refund_id = RefundId(uuid7())

    for _ in range(2):
        refunded = await payments.refund(taken.id, Money("EUR", 200), refund_id)
        assert (refunded.state, refunded.refunded_minor) == (PaymentState.PARTIALLY_REFUNDED, 200)
    with pytest.raises(PaymentRefused) as refused:
        await payments.refund(taken.id, Money("EUR", 301), RefundId(uuid7()))
    assert refused.value.reason == "REFUND_TOO_LARGE"


@pytest.mark.parametrize("share", [0, 1, 7])
def test_orders_and_payments_derive_the_same_id_of_a_share(payments: GrpcPayments, share: int) -> None:
    order_id = OrderId(uuid7())

    assert payments.id_of(order_id, share) == str(names.payment_id(names.OrderId(order_id), share))
