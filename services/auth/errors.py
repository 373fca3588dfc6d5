"""Every refusal a caller of this service may see, beyond those of servicekit."""

from __future__ import annotations

from servicekit.errors import Kind, Refusal


class InvalidCredentials(Refusal):
    """The email is unknown or the password is wrong; which of the two is never told."""

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_CREDENTIALS"


class TooManyAttempts(Refusal):
    """Sign-in with this email failed too often lately."""

    kind = Kind.RESOURCE_EXHAUSTED
    reason = "TOO_MANY_ATTEMPTS"


class InvalidRefreshToken(Refusal):
    """The refresh token is unknown or spent, or its session is over: sign in again."""

    kind = Kind.UNAUTHENTICATED
    reason = "INVALID_REFRESH_TOKEN"


class UserNotFound(Refusal):
    """There is no user with this id."""

    kind = Kind.NOT_FOUND
    reason = "USER_NOT_FOUND"


class EmailTaken(Refusal):
    """There is a user with this email."""

    kind = Kind.ALREADY_EXISTS
    reason = "EMAIL_TAKEN"


class TillNotFound(Refusal):
    """There is no till with this id."""

    kind = Kind.NOT_FOUND
    reason = "TILL_NOT_FOUND"


class TillNameTaken(Refusal):
    """There is a till with this name."""

    kind = Kind.ALREADY_EXISTS
    reason = "TILL_NAME_TAKEN"


class SigningKeySealed(Refusal):
    """The signing key in the database does not open with this process's SIGNING_KEY_SECRET."""

    kind = Kind.UNAVAILABLE
    reason = "SIGNING_KEY_SEALED"


class NotPrepared(Refusal):
    """This process has not made or loaded yet what it needs to serve."""

    kind = Kind.UNAVAILABLE
    reason = "NOT_PREPARED"
