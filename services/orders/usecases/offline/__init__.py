"""The offline queue: take what tills sold while they were cut off, and place it in the order of each."""

from services.orders.usecases.offline.intake import Limits, OfflineIntake
from services.orders.usecases.offline.keeping import OfflineKeeping
from services.orders.usecases.offline.placing import OfflinePlacing, SaleUnsettled, Seam
from services.orders.usecases.offline.reporting import OfflineReports

__all__ = [
    "Limits",
    "OfflineIntake",
    "OfflineKeeping",
    "OfflinePlacing",
    "OfflineReports",
    "SaleUnsettled",
    "Seam",
]
