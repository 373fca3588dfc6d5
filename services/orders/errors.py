"""Every refusal a caller of this service may see, beyond those of servicekit."""

from __future__ import annotations

from servicekit.errors import Kind, Refusal


class OrderNotFound(Refusal):
    """There is no such order, or it is somebody else's."""

    kind = Kind.NOT_FOUND
    reason = "ORDER_NOT_FOUND"


class NoReceiptYet(Refusal):
    """The order is not completed: there is nothing to print."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NO_RECEIPT_YET"


class ProductNotFound(Refusal):
    """There is no product with this SKU."""

    kind = Kind.NOT_FOUND
    reason = "PRODUCT_NOT_FOUND"


class UnknownProduct(Refusal):
    """A basket names products that the shop does not sell; `violations` names the lines."""

    kind = Kind.NOT_FOUND
    reason = "UNKNOWN_PRODUCT"


class SkuTaken(Refusal):
    """There is a product with this SKU."""

    kind = Kind.ALREADY_EXISTS
    reason = "SKU_TAKEN"


class OutOfStock(Refusal):
    """Less is available than the basket asks for; `metadata["sku"]` is the first such product."""

    kind = Kind.FAILED_PRECONDITION
    reason = "OUT_OF_STOCK"


class NoAgeCheckAwaited(Refusal):
    """The order does not wait for an age check; `metadata["state"]` says where it stands."""

    kind = Kind.FAILED_PRECONDITION
    reason = "NO_AGE_CHECK_AWAITED"


class OrderSettled(Refusal):
    """The order has ended and cannot be called off; `metadata["state"]` says how it ended."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ORDER_SETTLED"


class OrderNotCompleted(Refusal):
    """The order was never paid, or all of it was given back; `metadata["state"]` says which."""

    kind = Kind.FAILED_PRECONDITION
    reason = "ORDER_NOT_COMPLETED"


class RefundTooLarge(Refusal):
    """More than was paid and is not given back; `metadata["refundable_minor_units"]` is what is left."""

    kind = Kind.INVALID_ARGUMENT
    reason = "REFUND_TOO_LARGE"


class CurrencyMismatch(Refusal):
    """An amount is not in the currency of the order."""

    kind = Kind.INVALID_ARGUMENT
    reason = "CURRENCY_MISMATCH"


class TendersDoNotAddUp(Refusal):
    """The tenders pay more or less than the order costs; `metadata["total_minor_units"]` is what it costs."""

    kind = Kind.INVALID_ARGUMENT
    reason = "TENDERS_DO_NOT_ADD_UP"


class SplitPaymentsOff(Refusal):
    """More than one tender, and the flag `split-payments` is off for this buyer."""

    kind = Kind.FAILED_PRECONDITION
    reason = "SPLIT_PAYMENTS_OFF"


class NeedsStaff(Refusal):
    """Cash, or a sale at a till, by somebody who is not of the staff."""

    kind = Kind.PERMISSION_DENIED
    reason = "NEEDS_STAFF"


class DeadLetterNotFound(Refusal):
    """There is no such dead letter, or it was replayed."""

    kind = Kind.NOT_FOUND
    reason = "DEAD_LETTER_NOT_FOUND"


class MixedCurrencies(Refusal):
    """The products of one basket are priced in several currencies."""

    kind = Kind.FAILED_PRECONDITION
    reason = "MIXED_CURRENCIES"


class OrderTotalTooLarge(Refusal):
    """The basket costs more than 64 bits can count."""

    kind = Kind.INVALID_ARGUMENT
    reason = "ORDER_TOTAL_TOO_LARGE"


class StockTooLarge(Refusal):
    """The delivery would put more units on hand than can be counted."""

    kind = Kind.FAILED_PRECONDITION
    reason = "STOCK_TOO_LARGE"


class UnknownTill(Refusal):
    """There is no till with this id."""

    kind = Kind.NOT_FOUND
    reason = "UNKNOWN_TILL"


class OfflineQueueFull(Refusal):
    """As many offline sales wait as may; nothing of the batch is kept. Try again in a while."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "OFFLINE_QUEUE_FULL"
