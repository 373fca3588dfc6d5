"""Every refusal of payments that a caller may see."""

from servicekit.errors import Kind, Refusal


class PaymentNotFound(Refusal):
    """No payment has this id."""

    kind = Kind.NOT_FOUND
    reason = "PAYMENT_NOT_FOUND"


class PaymentMismatch(Refusal):
    """The share of the order has a payment already, of another amount or in another way."""

    kind = Kind.FAILED_PRECONDITION
    reason = "PAYMENT_MISMATCH"


class NotAuthorized(Refusal):
    """The money is not held, so it cannot be taken."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NOT_AUTHORIZED"


class AlreadyCaptured(Refusal):
    """The money was taken, so it cannot be let go of or taken otherwise."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ALREADY_CAPTURED"


class NotCaptured(Refusal):
    """The money was not taken, so there is nothing to give back."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NOT_CAPTURED"


class CaptureTooLarge(Refusal):
    """More than is held."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CAPTURE_TOO_LARGE"


class RefundTooLarge(Refusal):
    """More than was taken and not given back."""

    kind = Kind.INVALID_ARGUMENT
    reason = "REFUND_TOO_LARGE"


class CurrencyMismatch(Refusal):
    """The payment is in another currency."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CURRENCY_MISMATCH"


class RefundMismatch(Refusal):
    """A refund of another amount has this id."""

    kind = Kind.FAILED_PRECONDITION
    reason = "REFUND_MISMATCH"


class RefundRefused(Refusal):
    """The provider will not give this money back."""

    kind = Kind.FAILED_PRECONDITION
    reason = "REFUND_REFUSED"


class RefundUnsettled(Refusal):
    """It is not known yet whether the money was given back: repeat with the same id."""

    kind = Kind.UNAVAILABLE
    reason = "REFUND_UNSETTLED"


class SignatureInvalid(Refusal):
    """The event does not carry a signature made with our secret."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SIGNATURE_INVALID"


class SignatureStale(Refusal):
    """The event was signed too long ago to be believed."""

    kind = Kind.INVALID_ARGUMENT
    reason = "SIGNATURE_STALE"


class EventMalformed(Refusal):
    """The event is signed, and cannot be read."""

    kind = Kind.INVALID_ARGUMENT
    reason = "EVENT_MALFORMED"
