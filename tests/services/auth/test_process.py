"""Auth as it runs: a process of its own, its databases, and callers on a socket."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tillmesh.auth.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    security_pb2,
    security_pb2_grpc,
    users_pb2,
    users_pb2_grpc,
)
from tillmesh.options.v1 import options_pb2

from servicekit.clock import SystemClock
from servicekit.errors import Kind
from servicekit.status import RemoteRefusal, refusal_of
from servicekit.tokens import ServiceTokens

ADMIN = {"email": "root@example.com", "password": "a long enough password"}
BOB = {"email": "Bob@example.com", "display_name": "Bob", "password": "correct horse battery"}
CAROL = {"email": "carol@example.com", "display_name": "Carol", "password": "correct horse battery"}


class Running:
    """One process of auth, and callers of it."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.health: Any = health_pb2_grpc.HealthStub(channel)
        self.auth: Any = auth_pb2_grpc.AuthServiceStub(channel)
        self.users: Any = users_pb2_grpc.UsersServiceStub(channel)
        self.security: Any = security_pb2_grpc.SecurityServiceStub(channel)
        self.tills: Any = security_pb2_grpc.TillsServiceStub(channel)

    async def ready(self) -> None:
        async with asyncio.timeout(30):
            while not await self._is_ready():
                await asyncio.sleep(0.05)

    async def _is_ready(self) -> bool:
        try:
            answer = await self.health.Check(health_pb2.HealthCheckRequest(service="readiness"))
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def bearer(self, credentials: dict[str, str]) -> tuple[str, str]:
        answer = await self.auth.Login(auth_pb2.LoginRequest(**credentials))
        return ("authorization", f"Bearer {answer.tokens.access_token}")


def unused_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def environment(database_url: str, redis_url: str, ports: list[int], **more: str) -> dict[str, str]:
    return {
        **os.environ,
        "GRPC_PORT": str(ports[0]),
        "HTTP_PORT": str(ports[1]),
        "MESH_KEY": "m" * 32,
        "SIGNING_KEY_SECRET": "s" * 32,
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "BOOTSTRAP_ADMIN_EMAIL": ADMIN["email"],
        "BOOTSTRAP_ADMIN_PASSWORD": ADMIN["password"],
        **more,
    }


@pytest.fixture(scope="module")
def port(databases: Any, valkey_server: Any) -> Iterator[int]:
    """Where one process of auth answers all tests here: starting one takes longer than they do."""
    database = databases.make("services.auth")
    ports = unused_ports()
    environ = environment(databases.url(database), valkey_server.url, ports, DRAIN_SECONDS="1")
    process = subprocess.Popen([sys.executable, "-m", "services.auth"], env=environ)
    yield ports[0]
    process.terminate()
    assert process.wait(20) == 0
    databases.drop(database)


@pytest.fixture
async def running(port: int) -> AsyncIterator[Running]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        running = Running(channel)
        await running.ready()
        yield running


def key() -> tuple[str, str]:
    return ("idempotency-key", str(uuid4()))


def peer() -> tuple[str, str]:
    return ("x-tillmesh-service", ServiceTokens("orders", b"m" * 32, SystemClock()).mint("auth"))


async def refused(call: Any) -> RemoteRefusal:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    return refusal_of(error.value)


async def test_the_first_admin_hires_and_the_hired_sign_in(running: Running) -> None:
    admin = await running.bearer(ADMIN)
    hire = users_pb2.CreateUserRequest(**BOB, roles=[options_pb2.ROLE_CASHIER])
    attempt = (admin, key())

    created = await running.users.CreateUser(hire, metadata=attempt)
    again = await running.users.CreateUser(hire, metadata=attempt)
    signed_in = await running.auth.Login(auth_pb2.LoginRequest(email=BOB["email"], password=BOB["password"]))
    bearer = ("authorization", f"Bearer {signed_in.tokens.access_token}")
    me = await running.auth.GetMe(auth_pb2.GetMeRequest(), metadata=(bearer,))

    assert again == created
    assert me.user == signed_in.user == created.user
    assert list(me.user.roles) == [options_pb2.ROLE_CASHIER]


async def test_what_callers_do_wrong_is_told_apart(running: Running) -> None:
    admin = await running.bearer(ADMIN)
    hire = users_pb2.CreateUserRequest(**CAROL, roles=[options_pb2.ROLE_CASHIER])
    await running.users.CreateUser(hire, metadata=(admin, key()))
    cashier = await running.bearer({"email": CAROL["email"], "password": CAROL["password"]})

    answers = [
        await refused(running.auth.Login(auth_pb2.LoginRequest(email=CAROL["email"], password="wrong"))),
        await refused(running.auth.Refresh(auth_pb2.RefreshRequest(refresh_token="unknown"))),
        await refused(running.auth.GetMe(auth_pb2.GetMeRequest())),
        await refused(running.auth.GetMe(auth_pb2.GetMeRequest(), metadata=(("authorization", "Bearer x"),))),
        await refused(running.users.ListUsers(users_pb2.ListUsersRequest(), metadata=(cashier,))),
        await refused(running.users.CreateUser(hire, metadata=(admin,))),
        await refused(running.users.CreateUser(hire, metadata=(admin, key()))),
        await refused(running.users.GetUser(users_pb2.GetUserRequest(id="nobody"), metadata=(admin,))),
        await refused(running.security.VerifyAudit(security_pb2.VerifyAuditRequest(), metadata=(admin,))),
    ]

    assert [(answer.kind, answer.reason) for answer in answers] == [
        (Kind.UNAUTHENTICATED, "INVALID_CREDENTIALS"),
        (Kind.UNAUTHENTICATED, "INVALID_REFRESH_TOKEN"),
        (Kind.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (Kind.UNAUTHENTICATED, "UNAUTHENTICATED"),
        (Kind.PERMISSION_DENIED, "PERMISSION_DENIED"),
        (Kind.INVALID_ARGUMENT, "IDEMPOTENCY_KEY_MISSING"),
        (Kind.ALREADY_EXISTS, "EMAIL_TAKEN"),
        (Kind.NOT_FOUND, "USER_NOT_FOUND"),
        (Kind.UNIMPLEMENTED, answers[-1].reason),
    ]


async def test_every_fault_of_a_user_crosses_the_wire(running: Running) -> None:
    admin = await running.bearer(ADMIN)
    wrong = users_pb2.CreateUserRequest(email="nobody", display_name="\0", password="short")

    answer = await refused(running.users.CreateUser(wrong, metadata=(admin, key())))

    assert {violation.field for violation in answer.violations} == {
        "email",
        "display_name",
        "password",
        "roles",
    }


async def test_a_session_is_refreshed_and_ended(running: Running) -> None:
    first = (await running.auth.Login(auth_pb2.LoginRequest(**ADMIN))).tokens
    second = (await running.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=first.refresh_token))).tokens
    await running.auth.Logout(auth_pb2.LogoutRequest(refresh_token=second.refresh_token))

    ended = await refused(running.auth.Refresh(auth_pb2.RefreshRequest(refresh_token=second.refresh_token)))

    assert first.expires_in == second.expires_in == 900
    assert ended.reason == "INVALID_REFRESH_TOKEN"


async def test_a_till_is_registered_listed_and_checked_by_peers_only(running: Running) -> None:
    admin = await running.bearer(ADMIN)
    attempt = (admin, key())
    wish = security_pb2.CreateTillRequest(name="Till 1")

    made = await running.tills.CreateTill(wish, metadata=attempt)
    again = await running.tills.CreateTill(wish, metadata=attempt)
    listed = await running.tills.ListTills(security_pb2.ListTillsRequest(), metadata=(admin,))
    rotate = security_pb2.RotateTillKeyRequest(id=made.till.id)
    new = await running.tills.RotateTillKey(rotate, metadata=(admin, key()))
    check = security_pb2.CheckTillRequest(id=made.till.id, key=new.key)
    checked = await running.tills.CheckTill(check, metadata=(peer(),))
    by_a_person = await refused(running.tills.CheckTill(check, metadata=(admin,)))
    unknown = await refused(
        running.tills.CheckTill(security_pb2.CheckTillRequest(id="till-1"), metadata=(peer(),))
    )

    assert again == made
    assert list(listed.tills) == [made.till]
    assert checked == security_pb2.CheckTillResponse(till=made.till, key_holds=True)
    assert by_a_person.kind is Kind.PERMISSION_DENIED
    assert (unknown.kind, unknown.reason) == (Kind.NOT_FOUND, "TILL_NOT_FOUND")


async def test_guessing_is_stopped_with_a_time_to_wait(running: Running) -> None:
    guess = auth_pb2.LoginRequest(email="victim@example.com", password="guess")
    for _ in range(10):
        await refused(running.auth.Login(guess))

    answer = await refused(running.auth.Login(guess))

    assert (answer.kind, answer.reason) == (Kind.RESOURCE_EXHAUSTED, "TOO_MANY_ATTEMPTS")
    assert answer.retry_after_seconds is not None
    assert 0 < answer.retry_after_seconds <= 300


async def test_pages_of_users_follow_each_other(running: Running) -> None:
    admin = await running.bearer(ADMIN)
    for number in range(3):
        hire = users_pb2.CreateUserRequest(
            email=f"{number}@example.com",
            display_name="x",
            password="x" * 12,
            roles=[options_pb2.ROLE_CUSTOMER],
        )
        await running.users.CreateUser(hire, metadata=(admin, key()))

    first = await running.users.ListUsers(users_pb2.ListUsersRequest(page_size=2), metadata=(admin,))
    rest = await running.users.ListUsers(
        users_pb2.ListUsersRequest(page_size=2, page_token=first.next_page_token), metadata=(admin,)
    )

    assert [len(first.users), len(rest.users)] == [2, 2]
    assert first.users[0].email == "root@example.com"
    assert len({user.id for page in (first, rest) for user in page.users}) == 4


async def test_the_published_key_is_one_that_verifies(running: Running) -> None:
    keys = (await running.auth.GetJwks(auth_pb2.GetJwksRequest())).keys

    assert [(key.kty, key.crv, key.use, key.alg) for key in keys] == [("OKP", "Ed25519", "sig", "EdDSA")]


async def test_without_its_database_auth_waits_and_says_why(valkey_url: str) -> None:
    ports = unused_ports()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.auth",
        env=environment("postgresql://auth@127.0.0.1:1/auth", valkey_url, ports),
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{ports[0]}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        readiness = health_pb2.HealthCheckRequest(service="readiness")
        answer = await health.Check(readiness, wait_for_ready=True, timeout=20)
        liveness = await health.Check(health_pb2.HealthCheckRequest(service="liveness"), timeout=5)
        process.terminate()

    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert liveness.status == health_pb2.HealthCheckResponse.SERVING
    assert await process.wait() == 0


async def test_bad_settings_are_told_at_once() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.auth",
        env={"PATH": os.environ["PATH"], "MESH_KEY": "short"},
        stderr=asyncio.subprocess.PIPE,
    )
    _, told = await process.communicate()

    assert process.returncode == 2
    for variable in ("GRPC_PORT", "HTTP_PORT", "SIGNING_KEY_SECRET", "DATABASE_URL", "REDIS_URL"):
        assert f"{variable}: is required" in told.decode()
