"""That somebody looked at the buyer's age: how, who and when, never how old the buyer is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.orders.model.orders import OrderId


class AgeCheckMethod(StrEnum):
    """What was looked at."""

    IDENTITY_CARD = "identity_card"
    PASSPORT = "passport"
    DRIVING_LICENCE = "driving_licence"
    RESIDENCE_PERMIT = "residence_permit"
    DIGITAL_IDENTITY = "digital_identity"
    VISUAL_CHECK = "visual_check"
    """The buyer is plainly older than the order needs."""


@dataclass(frozen=True, slots=True)
class AgeVerification:
    """One check, kept for good.

    Attributes:
        verified_by: The user who looked.
        minimum_age: Years that the order needs.
        is_met: Whether the buyer has them.
    """

    order_id: OrderId
    verified_by: str
    method: AgeCheckMethod
    minimum_age: int
    is_met: bool
    verified_at: datetime
