"""The migration command against a real PostgreSQL, with a package of versions made for each test."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from servicekit.migrations.main import FAILED, MISUSED, main

MakeDatabase = Callable[[str | None], str]
Ask = Callable[[str, str], Any]

VERSION = '''"""{name}"""
from alembic import op

revision = "{name}"
down_revision = {before!r}


def upgrade() -> None:
    for statement in {statements!r}:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError
'''


class Shop:
    """A package with migrations, on the import path of the test."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self._versions = folder / "toyshop" / "store" / "migrations" / "versions"
        self._versions.mkdir(parents=True)
        (folder / "toyshop" / "__init__.py").touch()
        self._newest: str | None = None

    def add(self, name: str, *statements: str) -> None:
        text = VERSION.format(name=name, before=self._newest, statements=statements)
        (self._versions / f"{name}_version.py").write_text(text)
        self._newest = name


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "toyshop", raising=False)
    shop = Shop(tmp_path)
    shop.add("0001", "CREATE TABLE toys (name text PRIMARY KEY)", "INSERT INTO toys VALUES ('100% bear')")
    return shop


@pytest.fixture
def ask(background: Any) -> Ask:
    """Run one query on a database and give its first value."""

    async def first_value(url: str, query: str) -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    def run(url: str, query: str) -> Any:
        asked: Coroutine[Any, Any, Any] = first_value(url, query)
        return background.run(asked)

    return run


def test_versions_are_applied_in_order_and_once(
    shop: Shop, make_database: MakeDatabase, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    url = make_database(None)

    assert main(["toyshop"], {"DATABASE_URL": url}) == 0
    shop.add("0002", "ALTER TABLE toys ADD price int", "UPDATE toys SET price = 5")
    assert main(["toyshop"], {"TOYSHOP_DATABASE_URL": url}) == 0
    assert main(["toyshop"], {"TOYSHOP_DATABASE_URL": url}) == 0

    assert ask(url, "SELECT price FROM toys") == 5
    assert capsys.readouterr().out.splitlines() == [
        "toyshop: empty -> 0001",
        "toyshop: 0001 -> 0002",
        "toyshop: 0002, nothing to do",
    ]


def test_a_failing_version_leaves_nothing_of_its_run(
    shop: Shop, make_database: MakeDatabase, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    url = make_database(None)
    shop.add("0002", "ALTER TABLE toys ADD price int", "ALTER TABLE no_such_table ADD price int")

    assert main(["toyshop"], {"DATABASE_URL": url}) == FAILED

    assert ask(url, "SELECT to_regclass('toys')") is None
    said = capsys.readouterr().err
    assert 'relation "no_such_table" does not exist' in said
    assert said.count("\n") == 1


def test_two_migrators_at_once_apply_each_version_once(
    shop: Shop, make_database: MakeDatabase, ask: Ask
) -> None:
    url = make_database(None)
    shop.add("0002", "SELECT pg_sleep(0.2)", "INSERT INTO toys VALUES ('ball')")
    codes: list[int] = []
    migrators = [
        threading.Thread(target=lambda: codes.append(main(["toyshop"], {"DATABASE_URL": url})))
        for _ in range(2)
    ]

    for migrator in migrators:
        migrator.start()
    for migrator in migrators:
        migrator.join()

    assert codes == [0, 0]
    assert ask(url, "SELECT count(*) FROM toys") == 2


def test_a_database_that_is_away_is_one_line_and_exit_1(shop: Shop, tmp_path: Path) -> None:
    environ = os.environ | {
        "DATABASE_URL": f"postgresql://x@/y?host={tmp_path}",
        "PYTHONPATH": str(shop.root),
    }
    command = [sys.executable, "-m", "servicekit.migrations", "toyshop"]

    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)

    assert done.returncode == FAILED
    assert done.stderr == "migrations: toyshop: the database is not reachable\n"


def test_waiting_ends_when_the_database_comes(
    shop: Shop, make_database: MakeDatabase, postgres_server: Any, ask: Ask
) -> None:
    url = postgres_server.url("comes_late")
    codes: list[int] = []
    waiting = threading.Thread(
        target=lambda: codes.append(main(["--wait", "10", "toyshop"], {"DATABASE_URL": url}))
    )

    waiting.start()
    ask(postgres_server.admin_url, "CREATE DATABASE comes_late")
    waiting.join()

    assert codes == [0]
    ask(postgres_server.admin_url, "DROP DATABASE comes_late")


def test_a_missing_setting_names_every_variable(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toyshop", "services.orders"], {"DATABASE_URL": "unused for two"}) == MISUSED

    assert capsys.readouterr().err.endswith("set TOYSHOP_DATABASE_URL, ORDERS_DATABASE_URL\n")


def test_a_package_without_migrations_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["servicekit"], {"DATABASE_URL": "postgresql://x@/y"}) == FAILED

    assert "servicekit has no migrations" in capsys.readouterr().err


def test_a_schema_newer_than_the_program_is_left_alone(
    shop: Shop, make_database: MakeDatabase, ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    url = make_database(None)
    main(["toyshop"], {"DATABASE_URL": url})
    ask(url, "UPDATE alembic_version SET version_num = '0009'")

    assert main(["toyshop"], {"DATABASE_URL": url}) == FAILED

    assert "'0009'" in capsys.readouterr().err
