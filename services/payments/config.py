"""What payments is told from outside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from servicekit.crash_points import CrashPointSettings
from servicekit.settings import PoolSize, PostgresSettings, Seconds, ServiceSettings

_GIFT_CARD_SECRET_BYTES = 32
"""The least an HMAC-SHA-256 key should have: the size of its hash (RFC 2104, section 3)."""


class PaymentsSettings(ServiceSettings, PostgresSettings, CrashPointSettings):
    """Settings of payments."""

    stripe_api_base: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://api.stripe.com"
    """Where Stripe answers: scheme, host and port, no path. The sandbox's address on one machine."""

    stripe_api_key: SecretStr
    """The secret (`sk_`) or restricted (`rk_`) key that calls are made with."""

    stripe_webhook_secret: SecretStr
    """What Stripe signs its events with (`whsec_`), as it shows it for our endpoint."""

    gift_card_secret: SecretStr
    """At least 32 bytes: what codes of gift cards are made with. Changing it makes every card worthless."""

    stripe_timeout_seconds: Seconds = 6
    """Bound on asking Stripe once, repeats included; a caller with less time left makes it shorter."""

    stripe_connections: PoolSize = 20
    """Most connections to Stripe that this process opens; further calls wait for one."""

    @field_validator("stripe_api_key")
    @classmethod
    def _is_a_secret_key(cls, key: SecretStr) -> SecretStr:
        if not key.get_secret_value().startswith(("sk_", "rk_")):
            raise ValueError("must be a secret (sk_) or a restricted (rk_) key")
        return key

    @field_validator("stripe_webhook_secret")
    @classmethod
    def _signs_webhooks(cls, secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value().startswith("whsec_"):
            raise ValueError("must be the secret of a webhook endpoint (whsec_)")
        return secret

    @field_validator("gift_card_secret")
    @classmethod
    def _is_long_enough_for_codes(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value().encode()) < _GIFT_CARD_SECRET_BYTES:
            raise ValueError(f"must have at least {_GIFT_CARD_SECRET_BYTES} bytes")
        return secret
