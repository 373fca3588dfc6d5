"""Every refusal of payments that a caller may see."""

from servicekit.errors import Kind, Refusal


class PaymentNotFound(Refusal):
    """No payment has this id."""

    kind = Kind.NOT_FOUND
    reason = "PAYMENT_NOT_FOUND"


class PaymentMismatch(Refusal):
    """The order has a payment already, of another amount or with another card."""

    kind = Kind.FAILED_PRECONDITION
    reason = "PAYMENT_MISMATCH"


class NotAuthorized(Refusal):
    """The provider does not hold the money, so it cannot be taken."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NOT_AUTHORIZED"
