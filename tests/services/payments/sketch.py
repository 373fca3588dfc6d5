"""What must become of money, said as plainly as possible: the pure model that the service is held to."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.payments.errors import (
    AlreadyCaptured,
    CaptureTooLarge,
    NotAuthorized,
    NotCaptured,
    PaymentNotFound,
    RefundMismatch,
    RefundTooLarge,
    RefundUnsettled,
)

TAKEN = ("CAPTURED", "PARTIALLY_REFUNDED", "REFUNDED")


@dataclass
class Sketch:
    """One payment. `pays` is False for a card that is declined."""

    method: str
    amount: int
    pays: bool
    gift_card: str = ""
    state: str = ""
    held: int = 0
    captured: int = 0
    refunded: int = 0
    pending: str = ""
    part: int = 0
    refunds: dict[str, tuple[int, bool]] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, int, int, int]:
        return self.state, self.held, self.captured, self.refunded


@dataclass
class World:
    """All payments and gift cards. `unlucky`: the next asking of the provider has no answer."""

    balances: dict[str, int] = field(default_factory=dict)
    unlucky: bool = False

    def authorize(self, payment: Sketch) -> None:
        if payment.state in {"", "UNKNOWN"}:
            self._ask(payment, payment.pending or "authorize")

    def capture(self, payment: Sketch, minor: int | None) -> None:
        if not payment.state:
            raise PaymentNotFound("")
        wanted = payment.held if minor is None else minor
        if payment.state in TAKEN or payment.pending == "capture":
            settled = payment.captured if payment.state in TAKEN else payment.part
            if minor not in {None, settled}:
                raise AlreadyCaptured("")
        elif payment.state != "AUTHORIZED":
            raise NotAuthorized("")
        elif wanted > payment.held:
            raise CaptureTooLarge("")
        else:
            payment.part = wanted
        if payment.state not in TAKEN:
            self._ask(payment, "capture")

    def void(self, payment: Sketch) -> None:
        if not payment.state:
            payment.state = "VOIDED"
        elif payment.state in {"AUTHORIZED", "UNKNOWN"}:
            self._ask(payment, "capture" if payment.pending == "capture" else "void")
        if payment.state in TAKEN:
            raise AlreadyCaptured("")

    def refund(self, payment: Sketch, name: str, minor: int | None) -> None:
        if not payment.state:
            raise PaymentNotFound("")
        if payment.state not in TAKEN:
            raise NotCaptured("")
        if name not in payment.refunds:
            on_its_way = sum(amount for amount, done in payment.refunds.values() if not done)
            left = payment.captured - payment.refunded - on_its_way
            wanted = left if minor is None else minor
            if wanted > left or left == 0:
                raise RefundTooLarge("")
            payment.refunds[name] = wanted, False
        amount, done = payment.refunds[name]
        if minor not in {None, amount}:
            raise RefundMismatch("")
        if not done:
            if self._has_no_answer(payment):
                raise RefundUnsettled("")
            self._give_back(payment, name)

    def settle(self, payment: Sketch) -> None:
        """Everything that has no answer gets one."""
        if payment.pending:
            self._ask(payment, payment.pending)
        for name, (_, done) in payment.refunds.items():
            if not done:
                self._give_back(payment, name)

    def _has_no_answer(self, payment: Sketch) -> bool:
        unlucky = self.unlucky and payment.method == "card"
        self.unlucky = self.unlucky and not unlucky
        return unlucky

    def _ask(self, payment: Sketch, operation: str) -> None:
        if self._has_no_answer(payment):
            payment.state, payment.pending = "UNKNOWN", operation
            return
        payment.pending = ""
        if operation == "authorize":
            self._hold(payment)
        elif operation == "capture":
            self._put_back(payment, payment.held - payment.part)
            payment.state, payment.held, payment.captured = "CAPTURED", 0, payment.part
        else:
            self._put_back(payment, payment.held)
            payment.state, payment.held = "VOIDED", 0

    def _hold(self, payment: Sketch) -> None:
        enough = payment.method != "gift_card" or self.balances[payment.gift_card] >= payment.amount
        if not (payment.pays and enough):
            payment.state = "DECLINED"
            return
        payment.state, payment.held = "AUTHORIZED", payment.amount
        self._put_back(payment, -payment.amount)

    def _give_back(self, payment: Sketch, name: str) -> None:
        amount, _ = payment.refunds[name]
        payment.refunds[name] = amount, True
        payment.refunded += amount
        payment.state = "REFUNDED" if payment.refunded == payment.captured else "PARTIALLY_REFUNDED"
        self._put_back(payment, amount)

    def _put_back(self, payment: Sketch, minor: int) -> None:
        if payment.gift_card:
            self.balances[payment.gift_card] += minor
