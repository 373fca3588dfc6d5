"""What must work for auth to be SERVING, beside its stores."""

from __future__ import annotations

from servicekit.checks import Check
from services.auth.errors import NotPrepared
from services.auth.usecases.preparation import Preparation


def preparation_check(preparation: Preparation) -> Check:
    """Passes once there is a key to sign with and, where one was asked for, a first user."""

    async def probe() -> None:
        if preparation.pending:
            raise NotPrepared(preparation.pending)

    return Check("preparation", probe)
