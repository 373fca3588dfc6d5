"""What auth needs from outside, standing in: it behaves, and tests look at what became of it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from typing_extensions import override

from servicekit.clock import ManualClock
from servicekit.context import Role
from services.auth.model import SessionId, UserId
from services.auth.ports import Passwords, Signals
from services.auth.store.memory import MemoryStore, MemoryThrottle
from services.auth.usecases.access import AccessTokens, Keyring
from services.auth.usecases.directory import Directory, keyed_fingerprint
from services.auth.usecases.sign_in import SignIn
from services.auth.usecases.tills import TillKeys, Tills


class FakePasswords(Passwords):
    """Hashes at once, and knows how often it had to compare."""

    def __init__(self) -> None:
        self.comparisons = 0

    @override
    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    @override
    async def matches(self, password: str, password_hash: str | None) -> bool:
        self.comparisons += 1
        return password_hash == f"hash of {password}"


class SeenSignals(Signals):
    """Keeps what was signalled."""

    def __init__(self) -> None:
        self.logins: Counter[str] = Counter()
        self.reused: list[SessionId] = []
        self.granted: list[tuple[UserId, Role, str]] = []
        self.hashes: list[float] = []

    @override
    def login_succeeded(self, user_id: UserId) -> None:
        self.logins["succeeded"] += 1

    @override
    def login_failed(self) -> None:
        self.logins["failed"] += 1

    @override
    def login_throttled(self) -> None:
        self.logins["throttled"] += 1

    @override
    def refresh_token_reused(self, session_id: SessionId, user_id: UserId) -> None:
        self.reused.append(session_id)

    @override
    def role_granted(self, user_id: UserId, role: Role, granted_by: str) -> None:
        self.granted.append((user_id, role, granted_by))

    @override
    def password_hashed(self, seconds: float) -> None:
        self.hashes.append(seconds)


def numbered_ids() -> Callable[[], str]:
    """UUIDs that count up."""
    numbers = itertools.count(1)
    return lambda: f"00000000-0000-7000-8000-{next(numbers):012x}"


def numbered_secrets() -> Callable[[], str]:
    """Secrets that are none."""
    numbers = itertools.count(1)
    return lambda: f"secret-{next(numbers)}"


@dataclass
class Auth:
    """The use cases of auth over fakes."""

    clock: ManualClock = field(default_factory=ManualClock)
    store: MemoryStore = field(default_factory=MemoryStore)
    passwords: FakePasswords = field(default_factory=FakePasswords)
    signals: SeenSignals = field(default_factory=SeenSignals)

    def __post_init__(self) -> None:
        make_id = numbered_ids()
        self.throttle = MemoryThrottle(self.clock)
        self.keyring = Keyring(self.store, self.clock)
        self.sign_in = SignIn(
            store=self.store,
            passwords=self.passwords,
            throttle=self.throttle,
            access=AccessTokens(self.keyring, self.clock, make_id, issuer="tillmesh", audience="tillmesh"),
            signals=self.signals,
            clock=self.clock,
            make_id=make_id,
            make_secret=numbered_secrets(),
        )
        self.directory = Directory(
            store=self.store,
            passwords=self.passwords,
            signals=self.signals,
            clock=self.clock,
            make_id=make_id,
            fingerprint=keyed_fingerprint(b"k" * 32),
        )
        self.tills = Tills(self.store, TillKeys(b"t" * 32), self.clock, make_id, keyed_fingerprint(b"k" * 32))
