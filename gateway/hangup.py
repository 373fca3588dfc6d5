"""A call ends when nobody waits for it any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from gateway.incoming import ClientGone, Receive


class Cancellable(Protocol):
    """A call in flight."""

    def cancel(self) -> object:
        """Give it up."""
        ...


@asynccontextmanager
async def hanging_up(receive: Receive, call: Cancellable) -> AsyncIterator[None]:
    """Cancel `call` when the client goes, and on leaving. Raises ClientGone if it went."""
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        call.cancel()

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch(), name="client watch")
            try:
                yield
            finally:
                watching.cancel()
                call.cancel()
    except BaseExceptionGroup as failures:
        # The block's own failure: the watch raises nothing but its cancellation.
        raise failures.exceptions[0] from failures.exceptions[0].__cause__
    except asyncio.CancelledError:
        if gone:
            raise ClientGone from None
        raise
