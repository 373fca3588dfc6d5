"""Monitoring as a process of its own, between a fake auth, a service that it watches, and PostgreSQL."""

import asyncio
import base64
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as otlp_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as otlp_pb_grpc
from pydantic import SecretStr
from tillmesh.auth.v1 import auth_pb2, auth_pb2_grpc
from tillmesh.monitoring.v1 import mesh_pb2, mesh_pb2_grpc
from typing_extensions import override

from servicekit.health import Health, HealthServicer, dependency
from servicekit.postgres import Database
from servicekit.settings import PostgresSettings
from services.monitoring.mesh import NodeState
from services.monitoring.store.postgres import PostgresTransitions

KEY = Ed25519PrivateKey.generate()


class FakeAuth(auth_pb2_grpc.AuthServiceServicer):
    """Publishes the key that `token` signs with."""

    @override
    async def GetJwks(self, request: Any, context: Any) -> auth_pb2.GetJwksResponse:
        point = base64.urlsafe_b64encode(KEY.public_key().public_bytes_raw()).decode().rstrip("=")
        key = auth_pb2.Jwk(kty="OKP", crv="Ed25519", kid="k", use="sig", alg="EdDSA", x=point)
        return auth_pb2.GetJwksResponse(keys=[key])


def token(*roles: str) -> str:
    now = int(time.time())
    claims = {"iss": "tillmesh", "aud": "tillmesh", "sub": "u", "roles": roles, "iat": now, "exp": now + 900}
    return jwt.encode(claims, KEY, algorithm="EdDSA", headers={"kid": "k"})


@pytest.fixture
async def published() -> Health:
    """What the watched service says of itself."""
    health = Health()
    health.set("", serving=True)
    health.set(dependency("postgres"), serving=True)
    return health


@contextlib.asynccontextmanager
async def serving(add: Callable[[grpc.aio.Server], None]) -> AsyncIterator[str]:
    server = grpc.aio.server()
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture
async def auth() -> AsyncIterator[str]:
    """The address of a fake auth."""
    health = Health()
    health.set("", serving=True)

    def add(server: grpc.aio.Server) -> None:
        auth_pb2_grpc.add_AuthServiceServicer_to_server(FakeAuth(), server)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(health), server)

    async with serving(add) as address:
        yield address
        health.close()


@pytest.fixture
async def orders(published: Health) -> AsyncIterator[str]:
    """The address of the watched service."""

    def add(server: grpc.aio.Server) -> None:
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(published), server)

    async with serving(add) as address:
        yield address
        published.close()


Start = Callable[
    [str], contextlib.AbstractAsyncContextManager[tuple[asyncio.subprocess.Process, grpc.aio.Channel]]
]


@pytest.fixture
def start(auth: str, orders: str, free_ports: Callable[[int], list[int]]) -> Start:
    """Start the service with this database; it is killed, if need be, when the block ends."""

    @contextlib.asynccontextmanager
    async def start(
        database_url: str,
    ) -> AsyncIterator[tuple[asyncio.subprocess.Process, grpc.aio.Channel]]:
        [port] = free_ports(1)
        environ = {
            "GRPC_PORT": str(port),
            "HTTP_PORT": "0",
            "MESH_KEY": "k" * 32,
            "AUTH_TARGET": auth,
            "DATABASE_URL": database_url,
            "WATCH_TARGETS": f"orders={orders}",
        }
        command = (sys.executable, "-m", "services.monitoring")
        process = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield process, channel
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    return start


async def health_of(channel: grpc.aio.Channel) -> dict[str, bool]:
    answer = await health_pb2_grpc.HealthStub(channel).List(
        health_pb2.HealthListRequest(), wait_for_ready=True, timeout=20
    )
    serving = health_pb2.HealthCheckResponse.SERVING
    return {name: one.status == serving for name, one in answer.statuses.items()}


async def mesh_of(channel: grpc.aio.Channel, *roles: str) -> mesh_pb2.Mesh:
    stub: Any = mesh_pb2_grpc.MeshServiceStub(channel)
    metadata = (("authorization", f"Bearer {token(*roles)}"),)
    answer = await stub.GetMesh(mesh_pb2.GetMeshRequest(), metadata=metadata, timeout=10)
    mesh: mesh_pb2.Mesh = answer.mesh
    return mesh


async def until(claim: Callable[[], Any]) -> Any:
    """Ask another process until it says so: it has no event that we could wait for."""
    async with asyncio.timeout(20):
        while not (answer := await claim()):
            await asyncio.sleep(0.05)
    return answer


async def test_it_serves_the_mesh_and_takes_metrics_and_stops_when_told(
    start: Start, make_database: Callable[[str | None], str], published: Health
) -> None:
    url = make_database("services.monitoring")
    async with start(url) as (process, channel):

        async def ready() -> bool:
            return (await health_of(channel))["readiness"]

        await until(ready)
        mesh = await mesh_of(channel, "engineer")
        pushing: Any = otlp_pb_grpc.MetricsServiceStub(channel)  # type: ignore[no-untyped-call]
        pushed = await pushing.Export(otlp_pb.ExportMetricsServiceRequest(), timeout=10)
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), 20)

    assert {node.name: node.state for node in mesh.nodes} == {
        "orders": mesh_pb2.NODE_STATE_SERVING,
        "postgres": mesh_pb2.NODE_STATE_SERVING,
    }
    assert mesh.edges == [
        mesh_pb2.Edge(source="orders", target="postgres", state=mesh_pb2.NODE_STATE_SERVING)
    ]
    assert not pushed.HasField("partial_success")
    assert code == 0
    async with contextlib.aclosing(Kept(url)) as kept:
        assert await kept.states("orders") == [NodeState.SERVING]


class Kept:
    """What the process left in its database."""

    def __init__(self, url: str) -> None:
        self._database = Database(PostgresSettings(database_url=SecretStr(url)))

    async def states(self, node: str) -> list[NodeState]:
        history = await PostgresTransitions(self._database).history(node, 10)
        return [one.state for one in history]

    async def aclose(self) -> None:
        await self._database.close()


async def test_while_postgres_is_away_it_is_ready_and_says_so_and_shows_the_mesh(
    start: Start, published: Health
) -> None:
    published.set(dependency("postgres"), serving=False, reason="away")
    published.set("", serving=False, reason="postgres: away")
    async with start("postgresql://nobody@127.0.0.1:1/none") as (_, channel):

        async def seen() -> mesh_pb2.Mesh | None:
            mesh = await mesh_of(channel, "manager")
            return mesh if mesh.root_causes else None

        health = await health_of(channel)
        mesh = await until(seen)

    assert health["readiness"]
    assert not health["dependency/postgres"]
    assert health["liveness"]
    assert mesh.root_causes == ["postgres"]


async def test_the_mesh_is_for_those_who_run_the_shop(start: Start) -> None:
    async with start("postgresql://nobody@127.0.0.1:1/none") as (_, channel):
        await health_of(channel)

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await mesh_of(channel, "customer")

    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
