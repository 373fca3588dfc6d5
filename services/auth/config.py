"""What auth is told from outside."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from servicekit.settings import PostgresSettings, RedisSettings, ServiceSettings

SECRET_BYTES = 32
PASSWORD_BYTES = range(12, 1025)
"""Long enough to resist guessing without rules of composition (NIST SP 800-63B), short enough to hash."""


class AuthSettings(ServiceSettings, PostgresSettings, RedisSettings):
    """Settings of auth."""

    signing_key_secret: SecretStr
    """At least 32 bytes: seals the private signing keys in the database, so a copy of the database alone
    signs nothing. All replicas share one; with another, auth does not get ready. Keep it out of backups."""

    bootstrap_admin_email: Annotated[str, Field(pattern=r"^([^@\s]+@[^@\s]+)?$", max_length=254)] = ""
    """With the password: the first user, an administrator, made at start while there is no user at all."""

    bootstrap_admin_password: SecretStr = SecretStr("")
    """The first user's password, 12 to 1,024 bytes. Ignored once any user exists."""

    password_hash_threads: Annotated[int, Field(ge=1, le=64)] = 2
    """Passwords hashed at once; each takes a core and 19 MiB for some 18 ms."""

    @field_validator("signing_key_secret")
    @classmethod
    def _has_enough_bytes(cls, secret: SecretStr) -> SecretStr:
        if len(secret.get_secret_value().encode()) < SECRET_BYTES:
            raise ValueError(f"must have at least {SECRET_BYTES} bytes")
        return secret

    @field_validator("bootstrap_admin_password")
    @classmethod
    def _can_be_a_password(cls, password: SecretStr) -> SecretStr:
        size = len(password.get_secret_value().encode())
        if size and size not in PASSWORD_BYTES:
            raise ValueError(f"must have {PASSWORD_BYTES[0]} to {PASSWORD_BYTES[-1]} bytes")
        return password

    @model_validator(mode="after")
    def _first_user_is_whole(self) -> Self:
        if bool(self.bootstrap_admin_email) != bool(self.bootstrap_admin_password.get_secret_value()):
            raise ValueError(
                "BOOTSTRAP_ADMIN_EMAIL and BOOTSTRAP_ADMIN_PASSWORD go together: set both or none"
            )
        return self
