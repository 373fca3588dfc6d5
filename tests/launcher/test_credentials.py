"""People and secrets: made once, private, shown once."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from launcher.credentials import Credentials, kept_secrets
from launcher.errors import CommandFailed, NothingRuns


def test_three_people_with_different_roles_and_passwords_are_made(tmp_path: Path) -> None:
    people = Credentials.kept(tmp_path / "credentials.json").people

    assert [person.role for person in people.values()] == ["admin", "manager", "cashier"]
    assert len({person.password for person in people.values()}) == 3
    assert all(len(person.password) >= 20 for person in people.values())


def test_they_are_the_same_the_next_time(tmp_path: Path) -> None:
    first = Credentials.kept(tmp_path / "credentials.json")

    again = Credentials.kept(tmp_path / "credentials.json")

    assert again.people == first.people


def test_only_their_owner_may_read_the_files(tmp_path: Path) -> None:
    Credentials.kept(tmp_path / "credentials.json")
    kept_secrets(tmp_path / "secrets.json")

    assert [stat.S_IMODE(path.stat().st_mode) for path in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_having_been_shown_is_remembered(tmp_path: Path) -> None:
    credentials = Credentials.kept(tmp_path / "credentials.json")
    assert not credentials.shown

    credentials.mark_shown()

    assert Credentials.kept(tmp_path / "credentials.json").shown


def test_the_file_is_json_with_one_line_for_each_person(tmp_path: Path) -> None:
    credentials = Credentials.kept(tmp_path / "credentials.json")

    text = (tmp_path / "credentials.json").read_text()

    assert json.loads(text)["cashier"]["email"] == "cashier@shop.example"
    lines = [line for line in text.splitlines() if '"password"' in line]
    assert [
        person.password in line for person, line in zip(credentials.people.values(), lines, strict=True)
    ] == [True] * 3


def test_no_password_is_in_what_a_person_looks_like(tmp_path: Path) -> None:
    people = Credentials.kept(tmp_path / "credentials.json").people

    assert people["admin"].password not in repr(people)


def test_without_a_mesh_there_is_nobody(tmp_path: Path) -> None:
    with pytest.raises(NothingRuns, match="tillmesh up"):
        Credentials.read(tmp_path / "credentials.json")


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{half")

    with pytest.raises(CommandFailed, match="damaged"):
        Credentials.kept(tmp_path / "credentials.json")


def test_secrets_stay_the_same_and_what_is_missing_is_added(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"mesh_key": "k" * 40}))

    first = kept_secrets(path)

    assert first.mesh_key == "k" * 40
    assert first.stripe_api_key.startswith("sk_test_")
    assert first.stripe_webhook_secret.startswith("whsec_")
    assert kept_secrets(path) == first
