"""What a caller may not order, or nobody may now, whatever the catalogue says."""

from __future__ import annotations

from typing import Final

from servicekit.context import current
from services.orders.errors import NeedsStaff, SplitPaymentsOff, UnknownTill
from services.orders.model import Basket, TenderMethod
from services.orders.model.offline import TillId
from services.orders.ports import Flags
from services.orders.ports.offline import Tills

SPLIT_PAYMENTS: Final = "split-payments"
"""The flag that allows more than one tender."""


class Permits:
    """Who may order what."""

    def __init__(self, flags: Flags, tills: Tills) -> None:
        self._flags = flags
        self._tills = tills

    async def check(self, basket: Basket) -> None:
        """Raise `NeedsStaff`, `SplitPaymentsOff` or `UnknownTill` for what may not be ordered like this."""
        caller = current().caller
        is_paid_in_cash = any(tender.method is TenderMethod.CASH for tender in basket.tenders)
        if (is_paid_in_cash or basket.till_id) and not caller.is_staff:
            raise NeedsStaff("only the staff sell at a till, and only there is cash taken")
        if len(basket.tenders) > 1 and not self._flags.is_on(SPLIT_PAYMENTS, caller.subject):
            raise SplitPaymentsOff("an order is paid by one tender for the time being")
        if basket.till_id and not await self._tills.is_known(TillId(basket.till_id)):
            raise UnknownTill("there is no till with this id")
