"""Orders a second through the whole mesh, against one asyncio program that does the same work alone.

The program runs the same use cases, so the same SQL in the same transactions and the
same calls of the provider's library, over a PostgreSQL of its own and the same sandbox;
it has no gRPC, no gateway, no identity, no telemetry and one process. Both are asked in
turns. Then the mesh's own histograms say where the rest of an order's time goes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
import uvloop

from benchmarks.line import Lines
from benchmarks.mesh import PORT_BASE, ROOT, Mesh, state
from benchmarks.orders_alone import SKU, Alone
from launcher.databases import EmbeddedPostgres
from launcher.ports import port_table

TILLS = 16
ROUNDS = 6
ROUND_SECONDS = 4.0
ASKED = 0.35
AIM = 0.5

SHOP = (
    f"""
    INSERT INTO products (sku, name, currency_code, price_minor, minimum_age, created_at)
    VALUES ('{SKU}', 'Bread', 'EUR', 349, 0, now())
    """,
    f"INSERT INTO stock (sku, on_hand, reserved, updated_at) VALUES ('{SKU}', 100000000, 0, now())",
)
HOPS = {
    "gateway": "http_server_request_duration_seconds",
    "orders": "rpc_server_duration_seconds",
    "payments": "rpc_server_duration_seconds",
}
_SAMPLE = re.compile(r"^(\w+)_(sum|count)\{(.*)\} ([0-9.e+-]+)$", re.MULTILINE)

Sell = Callable[[], Awaitable[None]]


def run(environ: Mapping[str, str]) -> None:
    """Measure, and print the ratio."""
    logging.disable(logging.INFO)
    with state(ROOT, environ) as mesh:
        mesh.tillmesh("up", "--detach")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_measure(mesh, environ))


async def _measure(mesh: Mesh, environ: Mapping[str, str]) -> None:
    ports = port_table(PORT_BASE)
    gateway = Lines(ports["gateway"]["http"])
    await _open_shop(mesh, gateway)
    async with _alone(f"http://127.0.0.1:{ports['sandbox']['http']}", environ) as alone:
        through, by_itself = [], []
        for counted in [False] + [True] * ROUNDS:
            measured = await _round(lambda: _sell(gateway)), await _round(alone.sell)
            if counted:
                through.append(measured[0])
                by_itself.append(measured[1])
    await gateway.close()
    ratio = statistics.median(ours / theirs for ours, theirs in zip(through, by_itself, strict=True))
    print(
        f"  mesh: {statistics.median(through):.0f} orders/s;"
        f" alone: {statistics.median(by_itself):.0f} orders/s"
    )
    print(f"  ratio: {ratio:.2f} (asked {ASKED}, aim {AIM})")
    for hop, name in HOPS.items():
        await _print_hop(hop, name, ports[hop].get("metrics") or ports[hop]["http"])


async def _round(sell: Sell) -> float:
    """Orders a second."""
    began = time.perf_counter()

    async def till() -> int:
        sold = 0
        while time.perf_counter() < began + ROUND_SECONDS:
            await sell()
            sold += 1
        return sold

    sold = sum(await asyncio.gather(*(till() for _ in range(TILLS))))
    return sold / (time.perf_counter() - began)


async def _sell(gateway: Lines) -> None:
    basket = {
        "lines": [{"sku": SKU, "quantity": 1}],
        "tenders": [{"card": {"paymentMethod": "pm_card_visa"}}],
    }
    answer = await gateway.ask("POST", "/v1/orders", basket, {"Idempotency-Key": str(uuid4())})
    if answer.json().get("state") != "ORDER_STATE_COMPLETED":
        raise RuntimeError(f"an order was not completed: {answer}")


async def _open_shop(mesh: Mesh, gateway: Lines) -> None:
    people = json.loads((Path(mesh.environ["TILLMESH_HOME"]) / "credentials.json").read_text())
    manager = {name: people["manager"][name] for name in ("email", "password")}
    token = (await gateway.ask("POST", "/v1/auth/login", manager)).json()["tokens"]["accessToken"]
    gateway.headers["Authorization"] = f"Bearer {token}"
    product = {"sku": SKU, "name": "Bread", "price": {"currencyCode": "EUR", "minorUnits": "349"}}
    key = {"Idempotency-Key": str(uuid4())}
    await gateway.ask("POST", "/v1/products", product, key)
    await gateway.ask("POST", f"/v1/inventory/{SKU}:restock", {"quantity": 1_000_000}, key)


async def _print_hop(hop: str, name: str, port: int) -> None:
    """The mean time that each kind of call took there, of those that took a hundredth of all at least."""
    lines = Lines(port)
    page = (await lines.ask("GET", "/metrics")).body.decode()
    await lines.close()
    found: dict[str, dict[str, float]] = {}
    for metric, part, labels, value in _SAMPLE.findall(page):
        if metric in {name, "rpc_client_duration_seconds", "db_query_duration_seconds"}:
            found.setdefault(f"{metric}{{{labels}}}", {})[part] = float(value)
    total = sum(each["sum"] for each in found.values())
    for what, each in sorted(found.items(), key=lambda item: -item[1]["sum"]):
        if each["count"] and each["sum"] > total / 100:
            print(f"    {hop}: {each['sum'] / each['count'] * 1000:7.2f} ms x {each['count']:.0f}  {what}")


@asynccontextmanager
async def _alone(stripe_url: str, environ: Mapping[str, str]) -> AsyncIterator[Alone]:
    home = _home()
    server = EmbeddedPostgres(home)
    await server.start()
    try:
        urls = [await _database(server, name, environ) for name in ("orders", "payments")]
        shop = await asyncpg.connect(urls[0])
        for statement in SHOP:
            await shop.execute(statement)
        await shop.close()
        async with Alone(urls[0], urls[1], stripe_url) as alone:
            yield alone
    finally:
        await server.stop()
        shutil.rmtree(home, ignore_errors=True)


def _home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="tillmesh-bench-"))
    home.chmod(0o711)  # run by root, PostgreSQL is another user
    return home


async def _database(server: EmbeddedPostgres, name: str, environ: Mapping[str, str]) -> str:
    admin = await asyncpg.connect(server.admin_url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    command = [sys.executable, "-m", "servicekit.migrations", f"services.{name}"]
    told = {**environ, "DATABASE_URL": server.url(name)}
    migrating = await asyncio.create_subprocess_exec(*command, env=told)
    if await migrating.wait():
        raise RuntimeError(f"{name} was not migrated")
    return server.url(name)
