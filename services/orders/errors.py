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


class AgeCheckNotOffered(Refusal):
    """The basket holds a product that asks for an age check, and there is none yet (S21)."""

    kind = Kind.FAILED_PRECONDITION
    reason = "AGE_CHECK_NOT_OFFERED"


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
