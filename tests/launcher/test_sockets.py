"""Folders for sockets after a crash: the same one, for clients know its path."""

from __future__ import annotations

from pathlib import Path

import pytest

from launcher.accounts import current_account
from launcher.sockets import PATH_LIMIT, SocketFolder

NAME = "a.sock"


def folder_under(home: Path) -> SocketFolder:
    home.mkdir(parents=True, exist_ok=True)
    return SocketFolder(home / "socket", NAME, current_account())


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A home too deep for a socket."""
    return tmp_path / ("x" * PATH_LIMIT)


def test_after_a_crash_a_stand_in_is_the_same_and_empty(deep: Path) -> None:
    path = folder_under(deep).make()
    (path / NAME).touch()

    folder = folder_under(deep)

    assert folder.make() == path
    assert list(path.iterdir()) == []
    folder.remove()


def test_a_stand_in_that_somebody_swept_away_is_made_anew(deep: Path) -> None:
    swept = folder_under(deep).make()
    swept.rmdir()

    folder = folder_under(deep)

    assert folder.make().is_dir()
    folder.remove()


def test_a_link_to_elsewhere_in_place_of_a_stand_in_is_not_followed(deep: Path, tmp_path: Path) -> None:
    path = folder_under(deep).make()
    path.rmdir()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    path.symlink_to(tmp_path / "precious")

    folder = folder_under(deep)
    made = folder.make()

    assert made != path
    assert (tmp_path / "precious" / "file").exists()
    folder.remove()
    path.unlink(missing_ok=True)
