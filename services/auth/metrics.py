"""The `Signals` port: metrics (observability/telemetry/auth.yaml), and log lines of what bears on security.

Imports no model: use cases know nothing of metrics, and metrics nothing of them.
"""

from __future__ import annotations

from servicekit.instruments import Instruments
from servicekit.logs import logger

log = logger(__name__)


class AuthMetrics:
    """Counts, and logs what bears on security. Emails are never written: only ids are."""

    def __init__(self, instruments: Instruments) -> None:
        logins = instruments.counter("auth_logins_total")
        self._succeeded = logins.labels(outcome="succeeded")
        self._failed = logins.labels(outcome="invalid_credentials")
        self._throttled = logins.labels(outcome="throttled")
        self._reused = instruments.counter("auth_refresh_tokens_reused_total")
        self._hash_seconds = instruments.histogram("auth_password_hash_seconds")

    def login_succeeded(self, user_id: str) -> None:
        """Somebody signed in."""
        self._succeeded.inc()
        log.info("login_succeeded", user_id=user_id)

    def login_failed(self) -> None:
        """An unknown email or a wrong password was given."""
        self._failed.inc()
        log.warning("login_failed")

    def login_throttled(self) -> None:
        """An attempt was refused because too many had failed."""
        self._throttled.inc()
        log.warning("login_throttled")

    def refresh_token_reused(self, session_id: str, user_id: str) -> None:
        """A spent refresh token came back, and its session was ended."""
        self._reused.inc()
        log.warning("refresh_token_reused", session_id=session_id, user_id=user_id)

    def role_granted(self, user_id: str, role: str, granted_by: str) -> None:
        """A user gained a role."""
        log.info("role_granted", user_id=user_id, role=role, granted_by=granted_by)

    def password_hashed(self, seconds: float) -> None:
        """One hash took that long, the wait for a free thread included."""
        self._hash_seconds.observe(seconds)
