"""The smallest service there is, as a process: `python -m tests.servicekit.small`.

It serves the lab. What is asked of a call is what it does: `sleep 0.5`, `deaf 30` (it swallows its
cancellation). `FAULT` breaks one part of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import Any

from servicekit.kit import Front, Kit
from servicekit.serve import serve
from servicekit.settings import PostgresSettings, ServiceSettings
from tests.servicekit.lab import Lab, add_lab


class SmallSettings(ServiceSettings):
    """One service."""

    fault: str = ""
    front_port: int = 0


class StoredSettings(PostgresSettings, SmallSettings):
    """One service with a database."""


async def build(kit: Kit[Any]) -> None:
    """Compose it."""
    settings: SmallSettings = kit.settings
    lab = Lab()
    lab.answers["Open"] = lab.answers["Once"] = obey
    kit.add(add_lab, lab)
    if isinstance(settings, StoredSettings):
        kit.postgres()
    if settings.fault == "build":
        raise RuntimeError("the shelf fell down")
    if settings.fault == "loop":
        kit.work("shelf", fail_soon)
    if settings.fault == "deaf loop":
        kit.work("shelf", deaf_loop)
    if settings.fault == "front":
        kit.asgi(Front(slow_page, "127.0.0.1", settings.front_port))


async def obey(text: str) -> str:
    word, _, seconds = text.partition(" ")
    if word == "sleep":
        await asyncio.sleep(float(seconds))
    if word == "deaf":
        await deaf(float(seconds))
    return text


async def deaf(seconds: float) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(left)


async def fail_soon(_: asyncio.Event) -> None:
    await asyncio.sleep(0.2)
    raise ZeroDivisionError


async def deaf_loop(_: asyncio.Event) -> None:
    await deaf(30)


async def slow_page(scope: Any, receive: Any, send: Any) -> None:
    """Answer after as many seconds as the path says."""
    await asyncio.sleep(float(scope["path"].lstrip("/")))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


if __name__ == "__main__":
    kind = StoredSettings if os.environ.get("STORED") else SmallSettings
    sys.exit(serve(os.environ.get("SERVICE", "lab"), kind, build, os.environ))
