"""What came of asking the provider."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from services.payments.model.names import NO_PROVIDER_ID, ProviderId


class Doubt(StrEnum):
    """Why it is not known what the provider did."""

    TIMEOUT = "timeout"
    """No answer in time."""
    CONNECTION = "connection"
    """The connection failed, before or after the provider had acted."""
    PROVIDER_ERROR = "provider_error"
    """The provider failed, and does not say at which point."""
    RATE_LIMITED = "rate_limited"
    """The provider has more to do than it wants to."""
    IN_FLIGHT = "in_flight"
    """The same was being asked by somebody else, for as long as we waited."""
    NOT_UNDERSTOOD = "not_understood"
    """The provider refused the call, not the card: our key, our account or our request is wrong."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The provider knows of the payment and holds nothing for it yet."""

    provider_id: ProviderId


@dataclass(frozen=True, slots=True)
class Authorized:
    """The provider holds the money."""

    provider_id: ProviderId


@dataclass(frozen=True, slots=True)
class Captured:
    """This much is ours; what was held beyond it is let go of."""

    provider_id: ProviderId
    minor_units: int


@dataclass(frozen=True, slots=True)
class Released:
    """The provider holds nothing and never will for this payment."""

    provider_id: ProviderId


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider refused, and holds nothing. `reason` is its word for why."""

    reason: str
    provider_id: ProviderId = NO_PROVIDER_ID


@dataclass(frozen=True, slots=True)
class Unknown:
    """The provider may or may not have acted."""

    doubt: Doubt


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The money is on its way to the customer. `provider_id` is the refund's, such as `re_...`."""

    provider_id: ProviderId


Outcome = Prepared | Authorized | Captured | Released | Declined | Unknown
"""Of a payment."""

RefundOutcome = GivenBack | Declined | Unknown
"""Of a refund."""
