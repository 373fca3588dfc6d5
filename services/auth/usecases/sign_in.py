"""Signing in, staying signed in, and signing out."""

from __future__ import annotations

from datetime import timedelta

from servicekit.clock import Clock, MakeId
from services.auth.errors import InvalidCredentials, InvalidRefreshToken, TooManyAttempts
from services.auth.model import (
    Account,
    Session,
    SessionId,
    TokenDigest,
    Tokens,
    User,
    digest_of,
)
from services.auth.ports import MakeSecret, Passwords, Signals, Store, Tables, Throttle
from services.auth.usecases import validation
from services.auth.usecases.access import ACCESS_TOKEN_LIFE, AccessTokens

SESSION_LIFE = timedelta(days=30)
"""A session ends after this, however often it was refreshed: somebody has to give the password again."""


class SignIn:
    """Recognises people by their password, and afterwards by what it gave them.

    Args:
        store: Where accounts and sessions are kept.
        passwords: Recognises passwords.
        throttle: Counts attempts.
        access: Signs access tokens.
        make_secret: Makes refresh tokens.
    """

    def __init__(  # noqa: PLR0913 - its parts, all named where it is made
        self,
        *,
        store: Store,
        passwords: Passwords,
        throttle: Throttle,
        access: AccessTokens,
        signals: Signals,
        clock: Clock,
        make_id: MakeId,
        make_secret: MakeSecret,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._throttle = throttle
        self._access = access
        self._signals = signals
        self._clock = clock
        self._make_id = make_id
        self._make_secret = make_secret

    async def login(self, email: str, password: str) -> tuple[User, Tokens]:
        """Open a session.

        Raises `InvalidCredentials`, in the same time for an unknown email as for a wrong
        password, and `TooManyAttempts`.
        """
        claim = validation.credentials(email, password)
        await self._count(claim.email)
        account = await self._store.users.account(claim.email)
        user = await self._recognise(account, claim.password)
        await self._throttle.forget(claim.email)
        tokens = await self._open_session(user)
        self._signals.login_succeeded(user.id)
        return user, tokens

    async def refresh(self, refresh_token: str) -> Tokens:
        """The next tokens of a session; raises `InvalidRefreshToken`.

        A spent token that comes back ends its session: two parties hold it, one is a thief,
        and neither goes on (RFC 9700 section 4.14.2).
        """
        spent = digest_of(validation.refresh_token(refresh_token))
        now = self._clock.now()
        async with self._store.transaction() as tables:
            presented = await tables.sessions.lock(spent)
            if presented is None or not presented.session.is_open(now):
                raise _refused()
            if not presented.is_spent:
                return await self._go_on(tables, presented.session, spent)
            await tables.sessions.end(presented.session.id, now)
        # Refused only here: raised inside, it would undo the end of the session.
        self._signals.refresh_token_reused(presented.session.id, presented.session.user_id)
        raise _refused()

    async def logout(self, refresh_token: str) -> None:
        """End the session of a refresh token, spent or not. An unknown one ends nothing."""
        digest = digest_of(validation.refresh_token(refresh_token))
        async with self._store.transaction() as tables:
            presented = await tables.sessions.lock(digest)
            if presented is not None:
                await tables.sessions.end(presented.session.id, self._clock.now())

    async def _count(self, email: str) -> None:
        try:
            await self._throttle.count(email)
        except TooManyAttempts:
            self._signals.login_throttled()
            raise

    async def _recognise(self, account: Account | None, password: str) -> User:
        password_hash = None if account is None else account.password_hash
        is_match = await self._passwords.matches(password, password_hash)
        if account is None or not is_match:
            self._signals.login_failed()
            raise InvalidCredentials("The email is unknown or the password is wrong.")
        return account.user

    async def _open_session(self, user: User) -> Tokens:
        access_token = await self._access.mint(user)
        refresh_token = self._make_secret()
        now = self._clock.now()
        session = Session(SessionId(self._make_id()), user.id, created_at=now, expires_at=now + SESSION_LIFE)
        async with self._store.transaction() as tables:
            await tables.sessions.open(session, digest_of(refresh_token))
        return Tokens(access_token, refresh_token, ACCESS_TOKEN_LIFE)

    async def _go_on(self, tables: Tables, session: Session, spent: TokenDigest) -> Tokens:
        user = await tables.users.get(session.user_id)
        if user is None:
            raise _refused()
        access_token = await self._access.mint(user)
        refresh_token = self._make_secret()
        await tables.sessions.rotate(session.id, spent, digest_of(refresh_token))
        return Tokens(access_token, refresh_token, ACCESS_TOKEN_LIFE)


def _refused() -> InvalidRefreshToken:
    return InvalidRefreshToken(
        "The refresh token is spent or unknown, or its session is over. Sign in again."
    )
