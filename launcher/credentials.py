"""What is made up once and kept: the three people of the shop, and the services' secrets.

Both files are private. A password is shown to a person once, and never logged.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from launcher.errors import NothingRuns
from launcher.files import kept, read_json, write_private

_PASSWORD_BYTES = 18
_SECRET_BYTES = 32
_PEOPLE = {
    "admin": "Ada Admin",
    "manager": "Mia Manager",
    "cashier": "Casey Cashier",
}
"""Role and display name. Order matters: the admin creates the others."""


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in. `role` is how files and people call the role: "cashier"."""

    role: str
    email: str
    display_name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Secrets:
    """What processes need to trust each other; the names of fields are those of the variables."""

    mesh_key: str = field(repr=False)
    signing_key_secret: str = field(repr=False)
    stripe_api_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    gift_card_secret: str = field(repr=False)


class Credentials:
    """The people of the shop, and whether their passwords have been shown."""

    def __init__(self, path: Path, people: dict[str, Person], *, shown: bool) -> None:
        self.path = path
        self.people = people
        self.shown = shown

    def mark_shown(self) -> None:
        """Remember that the passwords have been shown."""
        self.shown = True
        self._write()

    def _write(self) -> None:
        # One line for each person, so that a shell without a JSON reader finds its way.
        people = [
            f'"{role}": {json.dumps({"email": person.email, "password": person.password})}'
            for role, person in self.people.items()
        ]
        lines = ",\n  ".join([*people, f'"shown": {json.dumps(self.shown)}'])
        write_private(self.path, f"{{\n  {lines}\n}}\n")

    @classmethod
    def kept(cls, path: Path) -> Credentials:
        """Those of the file; made and written the first time."""
        if path.exists():
            return cls.read(path)
        people = {role: _new_person(role, name) for role, name in _PEOPLE.items()}
        credentials = cls(path, people, shown=False)
        credentials._write()
        return credentials

    @classmethod
    def read(cls, path: Path) -> Credentials:
        """Those of the file; NothingRuns where no mesh was ever brought up."""
        said = read_json(path)
        if said is None:
            raise NothingRuns(f"{path} is missing: run `tillmesh up` first.")
        people = {
            role: Person(role, said[role]["email"], name, said[role]["password"])
            for role, name in _PEOPLE.items()
        }
        return cls(path, people, shown=said["shown"])


def _new_person(role: str, name: str) -> Person:
    return Person(role, f"{role}@shop.example", name, secrets.token_urlsafe(_PASSWORD_BYTES))


def kept_secrets(path: Path) -> Secrets:
    """Those of the file; what it lacks is made and kept."""
    made = {
        "mesh_key": secrets.token_urlsafe(_SECRET_BYTES),
        "signing_key_secret": secrets.token_urlsafe(_SECRET_BYTES),
        "stripe_api_key": f"sk_test_{secrets.token_hex(_SECRET_BYTES)}",
        "stripe_webhook_secret": f"whsec_{secrets.token_hex(_SECRET_BYTES)}",
        "gift_card_secret": secrets.token_urlsafe(_SECRET_BYTES),
    }
    return Secrets(**kept(path, made))
