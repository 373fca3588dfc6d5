"""The embedded servers and the databases on them: real processes, really killed."""

import asyncio
import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest
import redis

from launcher import embedded_postgres
from launcher.accounts import Account, current_account
from launcher.databases import EmbeddedPostgres, EmbeddedValkey, RoleTaken, passwords_in, prepare, url_for
from launcher.server_process import HomeInUse
from launcher.sockets import PATH_LIMIT, SocketFolder
from launcher.wheels import postgres_install

DIES_HARD = """
import asyncio, os, sys
from pathlib import Path
from launcher.databases import EmbeddedPostgres, EmbeddedValkey

async def start_and_die():
    postgres, valkey = EmbeddedPostgres(Path(sys.argv[1])), EmbeddedValkey(Path(sys.argv[1]))
    await postgres.start()
    await valkey.start()
    print(postgres.pid, valkey.pid, flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(start_and_die())
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")


def folder_for_servers() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="tillmesh-", ignore_cleanup_errors=True)
    Path(folder.name).chmod(0o711)
    return folder


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    """A state directory whose cluster is made once, by the first test that starts it."""
    with folder_for_servers() as folder:
        yield Path(folder)


@asynccontextmanager
async def started(server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


async def ask(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_each_service_reaches_its_own_database_and_no_other(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        urls = await prepare(server.admin_url, passwords_in(state))

        assert (
            await ask(urls["orders"], "SELECT current_user || ' ' || current_database()") == "orders orders"
        )
        await ask(urls["orders"], "CREATE TABLE kept AS SELECT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(
                url_for(server.admin_url, "orders", passwords_in(state)["orders"]).replace(
                    "/orders?", "/auth?"
                ),
                "",
            )


async def test_a_role_needs_its_password_and_is_no_superuser(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        urls = await prepare(server.admin_url, passwords_in(state))

        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(url_for(server.admin_url, "orders", "guessed"), "SELECT 1")
        assert (
            await ask(
                urls["orders"], "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = 'orders'"
            )
            is False
        )


async def test_preparing_again_keeps_what_is_there_and_heals_a_lost_password(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        await prepare(server.admin_url, {"payments": "first"})

        urls = await prepare(server.admin_url, {"payments": "second"})

        assert await ask(urls["payments"], "SELECT 1") == 1


async def test_somebody_elses_role_keeps_its_password(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        await ask(server.admin_url, "CREATE ROLE stranger LOGIN PASSWORD 'own'")

        with pytest.raises(RoleTaken, match="stranger"):
            await prepare(server.admin_url, {"stranger": "ours"})

        assert (
            await ask(
                url_for(server.admin_url, "stranger", "own").replace("/stranger?", "/postgres?"), "SELECT 1"
            )
            == 1
        )


async def test_an_admin_who_is_no_superuser_will_do(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        await ask(server.admin_url, "CREATE ROLE keeper LOGIN CREATEROLE CREATEDB PASSWORD 'k'")
        keeper = url_for(server.admin_url, "keeper", "k").replace("/keeper?", "/postgres?")

        urls = await prepare(keeper, {"toys": "t"})
        await prepare(keeper, {"toys": "t"})

        assert await ask(urls["toys"], "SELECT current_user") == "toys"


def test_passwords_are_made_once_and_are_nobody_elses_to_read(tmp_path: Path) -> None:
    first = passwords_in(tmp_path)

    assert passwords_in(tmp_path) == first
    assert len(set(first.values())) == 4
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        ("postgres://root:x@db.example:6432/postgres", "postgresql://orders:p%2Fw@db.example:6432/orders"),
        ("postgresql://root@/postgres?host=/run/pg", "postgresql://orders:p%2Fw@/orders?host=%2Frun%2Fpg"),
        (
            "postgresql://a:1,b:2/x?sslmode=require&user=y",
            "postgresql://orders:p%2Fw@a:1,b:2/orders?sslmode=require",
        ),
    ],
)
def test_a_services_url_keeps_the_server_and_its_options(admin: str, expected: str) -> None:
    assert url_for(admin, "orders", "p/w") == expected


async def test_what_was_committed_survives_a_kill_of_every_server_process(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        await ask(server.admin_url, "CREATE TABLE survived AS SELECT 7 AS number")
        postmaster = psutil.Process(server.pid)
        for process in [postmaster, *postmaster.children()]:
            process.kill()
        assert await server.wait() == -signal.SIGKILL

        await server.start()

        assert await ask(server.admin_url, "SELECT number FROM survived") == 7


async def test_servers_whose_launcher_died_are_stopped_and_replaced(state: Path) -> None:
    command = [sys.executable, "-c", DIES_HARD, str(state)]
    done = await asyncio.to_thread(subprocess.run, command, check=False, capture_output=True, text=True)
    orphans = [psutil.Process(int(pid)) for pid in done.stdout.split()]
    assert [orphan.name() for orphan in orphans] == ["postgres", "valkey-server"]

    valkey = EmbeddedValkey(state)
    async with started(EmbeddedPostgres(state)) as server:
        await valkey.start()
        assert await ask(server.admin_url, "SELECT 1") == 1
    await valkey.stop()

    assert not any(orphan.is_running() and orphan.status() != psutil.STATUS_ZOMBIE for orphan in orphans)


async def test_a_lock_file_that_names_a_recycled_pid_is_no_hindrance(state: Path) -> None:
    async with started(EmbeddedPostgres(state)):
        pass
    innocent = await asyncio.create_subprocess_exec("sleep", "60")
    lock = state / "postgres" / "data" / "postmaster.pid"
    lock.write_text(f"{innocent.pid}\n{lock.parent}\n1\n5432\n\n\n\nready\n")

    async with started(EmbeddedPostgres(state)) as server:
        assert await ask(server.admin_url, "SELECT 1") == 1

    assert innocent.returncode is None
    innocent.kill()
    await innocent.wait()


async def test_two_launchers_do_not_share_a_state_directory(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as first:
        with pytest.raises(HomeInUse):
            await EmbeddedPostgres(state).start()

        assert await ask(first.admin_url, "SELECT 1") == 1


async def test_stopping_leaves_no_process_and_no_socket(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        postmaster = psutil.Process(server.pid)
        processes = [postmaster, *postmaster.children()]

    assert server.pid is None
    assert not any(process.is_running() for process in processes)
    assert not (state / "postgres" / "socket").exists()


async def test_a_cluster_that_was_not_finished_is_made_anew() -> None:
    with folder_for_servers() as folder:
        (Path(folder) / "postgres" / "data.unfinished" / "base").mkdir(parents=True)

        async with started(EmbeddedPostgres(Path(folder))) as server:
            assert await ask(server.admin_url, "SHOW fsync") == "on"


async def test_a_cluster_of_another_version_is_refused_in_a_sentence(state: Path) -> None:
    async with started(EmbeddedPostgres(state)):
        pass
    version = state / "postgres" / "data" / "PG_VERSION"
    version.write_text("16\n")

    server = EmbeddedPostgres(state)
    with pytest.raises(Exception, match="made by PostgreSQL 16; this is 18"):
        await server.start()

    await server.stop()
    version.write_text("18\n")


async def test_the_server_is_small(state: Path) -> None:
    async with started(EmbeddedPostgres(state)) as server:
        postmaster = psutil.Process(server.pid)
        processes = [postmaster, *postmaster.children()]
        if not hasattr(processes[0].memory_full_info(), "pss"):
            pytest.skip("no proportional set sizes on this system")

        assert sum(process.memory_full_info().pss for process in processes) < 40_000_000


async def test_valkey_answers_on_its_socket_and_starts_again(state: Path) -> None:
    server = EmbeddedValkey(state)
    for _ in range(2):
        await server.start()
        with redis.Redis.from_url(server.url) as client:
            assert client.ping()
        await server.stop()
        assert server.pid is None


def test_a_socket_path_too_long_for_the_kernel_moves_to_a_short_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * PATH_LIMIT)
    deep.mkdir()
    folder = SocketFolder(deep / "socket", "s", current_account())

    path = folder.make()

    assert len(os.fsencode(path / "s")) <= PATH_LIMIT
    assert (deep / "socket").readlink() == path
    folder.remove()
    assert not path.exists()
    assert not (deep / "socket").is_symlink()


def test_an_account_may_enter_only_where_every_folder_lets_it(tmp_path: Path) -> None:
    stranger = Account("stranger", 54321, 54321)
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    open_as_far_as_here = all(parent.stat().st_mode & stat.S_IXOTH for parent in tmp_path.parents)

    for folder in (tmp_path, inner.parent, inner):
        folder.chmod(0o711)
    assert stranger.may_enter(inner) is open_as_far_as_here
    inner.parent.chmod(0o700)
    assert not stranger.may_enter(inner)


@needs_root
async def test_root_keeps_a_cluster_elsewhere_when_its_home_is_closed_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with folder_for_servers() as folder, folder_for_servers() as refuge:
        home = Path(folder) / "root"
        home.mkdir(mode=0o700)
        monkeypatch.setattr(embedded_postgres, "_REFUGE", Path(refuge))

        async with started(EmbeddedPostgres(home)) as server:
            await ask(server.admin_url, "CREATE TABLE kept AS SELECT 1")
        async with started(EmbeddedPostgres(home)) as server:
            assert await ask(server.admin_url, "SELECT count(*) FROM kept") == 1

        assert (home / "postgres" / "data").readlink().is_relative_to(refuge)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


@needs_root
async def test_root_copies_the_server_out_of_a_closed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    site = postgres_install().parent.parent
    monkeypatch.setattr(Account, "may_enter", lambda _, folder: site not in folder.parents)

    with folder_for_servers() as folder:
        async with started(EmbeddedPostgres(Path(folder))) as server:
            assert psutil.Process(server.pid).exe().startswith(folder)
