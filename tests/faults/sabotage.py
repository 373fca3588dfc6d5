"""What breaks a mechanism on purpose in one process, so that a proof can be seen to fail.

Each function runs in the process to be, before it starts.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from servicekit import crash_points
from servicekit.crash_points import CrashPoints
from servicekit.outbox import Leased, Outbox
from servicekit.postgres import Query, Transaction
from services.orders.ports import OrderMoved
from services.orders.store.postgres.orders import PostgresOrders
from services.payments.clients.stripe import StripeProvider
from services.payments.model import Outcome, Payment, Prepared, ProviderKey

POINTS_PATH = "POINTS_PATH"


def tell_points(environ: Mapping[str, str]) -> None:
    """Write each crash point to the file at `POINTS_PATH`; again, behind a `+`, when it is first passed."""
    path = Path(environ[POINTS_PATH])
    around = CrashPoints.around
    passed: set[str] = set()

    def tell(*lines: str) -> None:
        with path.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def telling(self: CrashPoints, name: str, port: Any, kind: type) -> Any:
        tell(*crash_points.points_of(name, kind))
        self._point = "none"  # so that the port is wrapped
        return around(self, name, port, kind)

    def passing(self: CrashPoints, point: str) -> None:
        if point not in passed:
            passed.add(point)
            tell(f"+{point}")

    CrashPoints.around = telling  # type: ignore[method-assign]
    CrashPoints.passing = passing  # type: ignore[method-assign]


def freeze_at_the_point(environ: Mapping[str, str]) -> None:
    """Stop at the crash point, as SIGSTOP would, and go on when told to."""
    make = CrashPoints.__init__

    @functools.wraps(make)
    def freezing(self: CrashPoints, wanted: str) -> None:
        make(self, wanted, lambda: os.kill(os.getpid(), signal.SIGSTOP))

    CrashPoints.__init__ = freezing  # type: ignore[assignment,method-assign]


def forget_fencing(environ: Mapping[str, str]) -> None:
    """Let whoever wants finish a job, and go on with an order that somebody else has moved."""
    move = PostgresOrders.move

    async def finish(self: Outbox, tx: Transaction, job: Leased) -> None:
        await tx.execute(Query("outbox.finish", "DELETE FROM outbox WHERE id = $1"), job.id)

    async def moving(self: PostgresOrders, *what: Any) -> None:
        with contextlib.suppress(OrderMoved):
            await move(self, *what)

    Outbox.finish = finish  # type: ignore[method-assign]
    PostgresOrders.move = moving  # type: ignore[assignment,method-assign]


def charge_anew(environ: Mapping[str, str]) -> None:
    """Ask the provider for a new payment under a new key each time, as if none had been asked for before."""
    hold = StripeProvider.hold

    async def holding(self: StripeProvider, payment: Payment, key: ProviderKey) -> Outcome:
        prepared = await self.prepare(payment, ProviderKey(str(uuid4())))
        if not isinstance(prepared, Prepared):
            return prepared
        return await hold(self, replace(payment, provider_id=prepared.provider_id), ProviderKey(str(uuid4())))

    StripeProvider.hold = holding  # type: ignore[method-assign]
