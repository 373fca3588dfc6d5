"""What the orders service does."""

from services.orders.usecases.age_checks import AgeVerifications
from services.orders.usecases.answering import Answering
from services.orders.usecases.attempts import Retention
from services.orders.usecases.catalogue import Catalogue
from services.orders.usecases.changes import Changes
from services.orders.usecases.closing import Closings
from services.orders.usecases.dead_letters import DeadLetterOffice
from services.orders.usecases.experiments import Experiments
from services.orders.usecases.ordering import Ordering
from services.orders.usecases.permits import Permits
from services.orders.usecases.receipts import Receipts
from services.orders.usecases.refunding import Refunds
from services.orders.usecases.reports import Reporting
from services.orders.usecases.settling import Settling
from services.orders.usecases.stockroom import Stockroom
from services.orders.usecases.watching import Watching

__all__ = [
    "AgeVerifications",
    "Answering",
    "Catalogue",
    "Changes",
    "Closings",
    "DeadLetterOffice",
    "Experiments",
    "Ordering",
    "Permits",
    "Receipts",
    "Refunds",
    "Reporting",
    "Retention",
    "Settling",
    "Stockroom",
    "Watching",
]
