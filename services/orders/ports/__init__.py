"""What this service needs from outside, in its own words."""

from services.orders.ports.experiments import ExperimentSignals, Exposures
from services.orders.ports.flags import Flags
from services.orders.ports.payments import (
    PaymentRefused,
    Payments,
    PaymentTaken,
    PaymentUnsettled,
    UnsettledCause,
)
from services.orders.ports.reports import Reports, StandingSignals
from services.orders.ports.signals import Signals
from services.orders.ports.store import (
    AgeChecks,
    Attempts,
    DeadLetters,
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
    "AgeChecks",
    "Attempts",
    "DeadLetters",
    "Errands",
    "ExperimentSignals",
    "Exposures",
    "Flags",
    "Inventory",
    "OrderMoved",
    "Orders",
    "PaymentRefused",
    "PaymentTaken",
    "PaymentUnsettled",
    "Payments",
    "Products",
    "Reports",
    "Signals",
    "StandingSignals",
    "Store",
    "Tables",
    "Transaction",
    "UnsettledCause",
]
