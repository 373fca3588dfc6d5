"""What the command is told, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.errors import BadUsage
from launcher.ports import port_table
from launcher.settings import read_settings


def test_nothing_said_means_the_table_and_a_folder_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    settings = read_settings({})

    assert settings.files.home == tmp_path / ".tillmesh"
    assert settings.ports == port_table(None)
    assert (settings.database_url, settings.redis_url) == ("", "")


def test_empty_variables_count_as_unset() -> None:
    empty = dict.fromkeys(["TILLMESH_HOME", "TILLMESH_PORT_BASE", "DATABASE_URL", "REDIS_URL"], "")

    assert read_settings(empty).ports == read_settings({}).ports
    assert read_settings(empty).files.home == read_settings({}).files.home


def test_an_argument_wins_over_the_environment() -> None:
    assert read_settings({"TILLMESH_PORT_BASE": "23000"}, "24000").ports == port_table(24000)


def test_the_fault_names_where_it_stands() -> None:
    with pytest.raises(BadUsage, match="TILLMESH_PORT_BASE"):
        read_settings({"TILLMESH_PORT_BASE": "many"})


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL"])
def test_a_url_of_another_kind_is_refused_without_being_repeated(name: str) -> None:
    with pytest.raises(BadUsage, match=name) as refused:
        read_settings({name: "mysql://root:hunter2@db/shop"})

    assert "hunter2" not in str(refused.value)


def test_no_secret_is_in_what_settings_look_like() -> None:
    settings = read_settings({"DATABASE_URL": "postgresql://root:hunter2@db/postgres", "TOKEN": "hunter2"})

    assert "hunter2" not in repr(settings)
