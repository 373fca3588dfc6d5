"""A service's own schema, brought up to date before it serves, where `MIGRATE` asks for it.

In a process of its own: SQLAlchemy would cost the service 16 MB for good. Until it is
done the check `postgres` fails, and says why.
"""

from __future__ import annotations

import asyncio
import sys

from servicekit.errors import StoreUnavailable

RETRY_SECONDS = 2.0
WAIT_SECONDS = 30


class OwnSchema:
    """Migrates one service's database.

    Args:
        service: Its name; its package is `services.<name>`.
        database_url: Its database.
    """

    def __init__(self, service: str, database_url: str) -> None:
        self._package = f"services.{service}"
        self._database_url = database_url
        self._reason = "the migration has not ended"

    async def probe(self) -> None:
        """Pass once the schema is the newest."""
        if self._reason:
            raise StoreUnavailable(self._reason)

    async def run(self, stop: asyncio.Event) -> None:
        """Migrate, again and again until it worked or `stop` is set."""
        while not stop.is_set():
            self._reason = await self._migrate()
            if not self._reason:
                return
            try:
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)
            except TimeoutError:
                continue

    async def _migrate(self) -> str:
        """What went wrong; empty when all is well."""
        command = (sys.executable, "-m", "servicekit.migrations", self._package, "--wait", str(WAIT_SECONDS))
        migrating = await asyncio.create_subprocess_exec(
            *command,
            env={"DATABASE_URL": self._database_url},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            _, said = await migrating.communicate()
        except asyncio.CancelledError:
            migrating.kill()
            await migrating.wait()
            raise
        return said.decode(errors="replace").strip()[-500:] if migrating.returncode else ""
