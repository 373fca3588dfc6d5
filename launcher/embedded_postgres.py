"""PostgreSQL from a wheel, for one machine: a durable server on a Unix socket, with small memory.

It promises what PostgreSQL promises (fsync and synchronous_commit are on), and
that a start after any death, of the server or of its launcher, needs no help.
Its superuser is whoever may run the launcher, known by the socket's peer
credentials; everybody else needs a password.
"""

import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import quote

from launcher.accounts import Account, account_for_postgres, current_account
from launcher.server_process import HomeLock, ServerFailed, ServerProcess, stop_orphans
from launcher.sockets import SocketFolder
from launcher.wheels import copy_of_postgres, postgres_install

MAJOR_VERSION = "18"
_REFUGE = Path("/var/lib/tillmesh")
_START_SECONDS = 60.0
_SUPERUSER = "postgres"
_SOCKET_NAME = ".s.PGSQL.5432"
_READY_LINE = 7  # of postmaster.pid: PostgreSQL's own pidfile.h, LOCK_FILE_LINE_PM_STATUS, from 0

# Fast shutdown rolls back open transactions; immediate leaves the rest to recovery (pg_ctl(1)).
_STOP_STEPS = ((signal.SIGINT, 10.0), (signal.SIGQUIT, 5.0))

_SETTINGS = {
    # Unix sockets only.
    "listen_addresses": "''",
    "port": "5432",
    "unix_socket_permissions": "0777",  # the folder's mode is the door
    # No acknowledged transaction is lost.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Small: the whole mesh has 600 MB.
    "shared_buffers": "'24MB'",
    "wal_buffers": "'1MB'",
    "work_mem": "'2MB'",
    "maintenance_work_mem": "'16MB'",
    "max_connections": "100",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "2",
    "autovacuum_naptime": "'15s'",  # queues are tables here: dead rows must go soon
    "io_method": "sync",  # no I/O worker processes
    "jit": "off",
    "huge_pages": "off",
    # Nobody replicates from here.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_logical_replication_workers": "0",
    "min_wal_size": "'32MB'",
    "max_wal_size": "'256MB'",
    # The same on every machine.
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
    "password_encryption": "'scram-sha-256'",
}


class EmbeddedPostgres:
    """A PostgreSQL server of ours under `state`/postgres, logging to `state`/logs/postgres.log."""

    def __init__(self, state: Path) -> None:
        self._home = state.resolve() / "postgres"
        self._process = ServerProcess("postgres", state.resolve() / "logs" / "postgres.log")
        self._lock = HomeLock(self._home)
        self._sockets: SocketFolder | None = None

    async def start(self) -> None:
        """Make the cluster the first time, stop what a dead launcher left, and wait until it answers."""
        self._home.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        account = account_for_postgres(self._data)
        home = _reachable_home(self._home, account)
        await stop_orphans("postgres", home / "data", signal.SIGINT)
        install = _reachable_install(home, account)
        await self._make_cluster(install, home, account)
        self._sockets = SocketFolder(home / "socket", _SOCKET_NAME, account)
        _configure(home / "data", self._sockets.make(), account)
        await self._process.spawn([install / "bin" / "postgres", "-D", home / "data"], account, home)
        await self._process.wait_until(self._is_ready, _START_SECONDS)

    async def stop(self) -> None:
        """End every session, write a checkpoint, and wait until the server is gone."""
        await self._process.stop(*_STOP_STEPS)
        if self._sockets is not None:
            self._sockets.remove()
        self._lock.release()

    async def wait(self) -> int:
        """Wait until the server ends; returns its exit code (negative: the signal's number)."""
        return await self._process.wait()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs, else None."""
        return self._process.pid

    @property
    def admin_url(self) -> str:
        """The superuser's URL; it works only for processes of the launcher's own account."""
        return self.url("postgres")

    def url(self, database: str) -> str:
        """The superuser's URL of one database."""
        if self._sockets is None:
            raise ServerFailed("postgres was never started")
        return f"postgresql://{_SUPERUSER}@/{database}?host={quote(str(self._sockets.path))}"

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > _READY_LINE and lines[_READY_LINE].strip() == "ready"

    async def _make_cluster(self, install: Path, home: Path, account: Account) -> None:
        data = home / "data"
        if data.exists():
            _check_version(data)
            # Nobody works in this folder (stop_orphans saw to it), so its locks are a dead server's.
            (data / "postmaster.pid").unlink(missing_ok=True)
            return
        # Made aside and renamed: a cluster under its own name is a whole one.
        unfinished = home / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.own(unfinished)
        options = ["--encoding=UTF8", "--locale=C", "--auth=reject", f"--username={_SUPERUSER}"]
        initdb: list[str | Path] = [install / "bin" / "initdb", "-D", unfinished, "--no-instructions"]
        await self._process.run([*initdb, *options], account, home)
        unfinished.rename(data)


def _configure(data: Path, sockets: Path, account: Account) -> None:
    """Write the server's three configuration files: they are ours, made anew at each start."""
    settings = _SETTINGS | {"unix_socket_directories": f"'{sockets}'"}
    lines = [f"{name} = {value}" for name, value in settings.items()]
    rules = ["local all postgres peer map=launcher", "local all all scram-sha-256"]
    peers = [f"launcher {current_account().name} {_SUPERUSER}"]
    for name, content in (("postgresql.conf", lines), ("pg_hba.conf", rules), ("pg_ident.conf", peers)):
        (data / name).write_text("\n".join(content) + "\n")
        account.own(data / name)


def _reachable_home(home: Path, account: Account) -> Path:
    """`home`, or when root keeps it where `account` may not go: a folder elsewhere, to which it links."""
    link = home / "data"
    if link.is_symlink():
        return link.readlink().parent
    if account.may_enter(home.parent):
        account.own(home)
        return home
    _REFUGE.mkdir(mode=0o711, parents=True, exist_ok=True)
    refuge = Path(tempfile.mkdtemp(prefix="postgres-", dir=_REFUGE))
    account.own(refuge)
    link.symlink_to(refuge / "data")
    return refuge


def _reachable_install(home: Path, account: Account) -> Path:
    """The wheel's PostgreSQL, or when root keeps it where `account` may not go: a copy in `home`."""
    install = postgres_install()
    if account.may_enter(install / "bin"):
        return install
    return copy_of_postgres(home / "install")


def _check_version(data: Path) -> None:
    version = (data / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise ServerFailed(
            f"{data} was made by PostgreSQL {version}; this is {MAJOR_VERSION}: dump and restore it"
        )
