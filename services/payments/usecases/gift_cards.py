"""Issuing gift cards. A code is made from the attempt's key, so a repeated call tells it again.

Neither the code nor anything it could be computed from is stored: the code is a MAC
of who asked under which key, the handle a MAC of the code, both under a secret that
the database does not hold.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from servicekit.clock import Clock
from servicekit.errors import IdempotencyKeyReused, InvalidArgument
from services.payments.model import GiftCard, GiftCardId, Money, issue_posting
from services.payments.ports import Store
from services.payments.usecases.fields import money_violations

_GIFT_CARDS = UUID("0b9f6f0d-52a1-5d9e-8a5c-3f4c1d7e6b20")
_CODE_BYTES = 10
"""80 bits: 16 letters and digits that nobody guesses (RFC 4648, base32)."""
_GROUP = 4


@dataclass(frozen=True, slots=True)
class IssuedGiftCard:
    """A gift card and its code, which is shown to whoever issued it."""

    card: GiftCard
    code: str = field(repr=False)


class GiftCards:
    """The gift cards of the shop.

    Args:
        store: Where they are kept.
        secret: What codes and handles are made with. Changing it makes every card worthless.
        clock: Time.
    """

    def __init__(self, store: Store, secret: bytes, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    async def issue(self, amount: Money, *, subject: str, key: str) -> IssuedGiftCard:
        """Issue a card worth `amount`. The same caller with the same key gets the same card.

        Raises:
            InvalidArgument: The amount is none.
            IdempotencyKeyReused: The key was used for another amount.
        """
        if violations := list(money_violations(amount)):
            raise InvalidArgument("the gift card is not valid", violations=violations)
        name = GiftCardId(str(uuid5(_GIFT_CARDS, f"{subject}/{key}")))
        code = self._code(name)
        now = self._clock.now()
        wanted = GiftCard(name, self.handle_of(code), amount, amount.minor_units, now)
        async with self._store.transaction() as unit:
            kept = await unit.add_gift_card(wanted)
            if kept.issued != amount:
                raise IdempotencyKeyReused("the key was used for a gift card of another amount")
            if kept is wanted:
                await unit.post(issue_posting(wanted), now)
        return IssuedGiftCard(kept, code)

    def handle_of(self, code: str) -> str:
        """What a payment by this code carries, however the code is spelt."""
        plain = code.replace("-", "").replace(" ", "").upper()
        return f"gift_{self._mac('handle', plain).hex()}"

    def _code(self, name: GiftCardId) -> str:
        letters = base64.b32encode(self._mac("code", name)[:_CODE_BYTES]).decode()
        return "-".join(letters[start : start + _GROUP] for start in range(0, len(letters), _GROUP))

    def _mac(self, purpose: str, text: str) -> bytes:
        return hmac.new(self._secret, f"gift-card-{purpose}/{text}".encode(), hashlib.sha256).digest()
