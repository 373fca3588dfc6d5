"""How Stripe's library reaches Stripe: httpx, with bounds of ours.

The library's own client for httpx sets no bound on connections, and hands over
bodies in a way that httpx has deprecated. A caller that gives up does not cancel the
request: httpcore 1.0.9 never gives back the place in its pool of a request that is
cancelled while it connects, and a pool without places answers nobody any more.
What was given up ends by httpx's own time-outs; what still waits for its turn is never sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
import stripe
from typing_extensions import override


class Transport(stripe.HTTPClient):
    """The one method of the library's client that our calls come through.

    Args:
        timeout_seconds: Bound on each phase of a call; the whole is bounded by the caller.
        connections: Most connections that are open; further calls wait for one.
    """

    name = "httpx"

    def __init__(self, *, timeout_seconds: float, connections: int) -> None:
        super().__init__()
        self._places = asyncio.Semaphore(connections)
        self._running: set[asyncio.Future[httpx.Response]] = set()
        self._client = httpx.AsyncClient(
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=False,  # The environment is read in __main__ and nowhere else.
        )

    @override
    async def request_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: str | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        await self._places.acquire()
        running = asyncio.ensure_future(self._client.request(method, url, headers=headers, content=post_data))
        self._running.add(running)
        running.add_done_callback(self._ended)
        try:
            answer = await asyncio.shield(running)
        except httpx.HTTPError as error:
            raise stripe.APIConnectionError(type(error).__name__) from error  # type: ignore[no-untyped-call]
        return answer.content, answer.status_code, answer.headers

    def _ended(self, running: asyncio.Future[httpx.Response]) -> None:
        self._running.discard(running)
        self._places.release()

    @override
    async def close_async(self) -> None:
        for running in tuple(self._running):
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._client.aclose()
