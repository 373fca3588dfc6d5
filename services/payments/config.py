"""What payments is told from outside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from servicekit.settings import PoolSize, PostgresSettings, Seconds, ServiceSettings


class PaymentsSettings(ServiceSettings, PostgresSettings):
    """Settings of payments."""

    stripe_api_base: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "https://api.stripe.com"
    """Where Stripe answers: scheme, host and port, no path. The sandbox's address on one machine."""

    stripe_api_key: SecretStr
    """The secret (`sk_`) or restricted (`rk_`) key that calls are made with."""

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
