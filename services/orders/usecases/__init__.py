"""What the orders service does."""

from services.orders.usecases.catalogue import Catalogue
from services.orders.usecases.experiments import Experiments
from services.orders.usecases.ordering import Ordering
from services.orders.usecases.receipts import Receipts
from services.orders.usecases.settlements import Settlements
from services.orders.usecases.settling import Settling
from services.orders.usecases.stockroom import Stockroom

__all__ = ["Catalogue", "Experiments", "Ordering", "Receipts", "Settlements", "Settling", "Stockroom"]
