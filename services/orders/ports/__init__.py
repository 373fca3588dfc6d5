"""What this service needs from outside, in its own words."""

from services.orders.ports.experiments import ExperimentSignals, Exposures
from services.orders.ports.flags import Flags
from services.orders.ports.payments import PaymentRefused, Payments, PaymentUnsettled, UnsettledCause
from services.orders.ports.signals import Signals
from services.orders.ports.store import (
    Attempts,
    Errands,
    Inventory,
    OrderMoved,
    Orders,
    Products,
    Store,
    Tables,
    Transaction,
)

__all__ = [
    "Attempts",
    "Errands",
    "ExperimentSignals",
    "Exposures",
    "Flags",
    "Inventory",
    "OrderMoved",
    "Orders",
    "PaymentRefused",
    "PaymentUnsettled",
    "Payments",
    "Products",
    "Signals",
    "Store",
    "Tables",
    "Transaction",
    "UnsettledCause",
]
