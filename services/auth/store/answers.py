"""What callers were answered, as JSON and back: an attempt that is repeated gets the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from servicekit.context import Role
from services.auth.model import KeyIssue, Till, TillId, User, UserId
from services.auth.ports import Answer

Stored = dict[str, Any]


def stored(answer: User | KeyIssue) -> Stored:
    """The answer, to be kept."""
    if isinstance(answer, User):
        return {
            "id": answer.id,
            "email": answer.email,
            "display_name": answer.display_name,
            "roles": answer.ordered_roles(),
            "created_at": answer.created_at.isoformat(),
        }
    till = answer.till
    created_at = till.created_at.isoformat()
    return {"id": till.id, "name": till.name, "created_at": created_at, "number": answer.number}


def read(kind: type[Answer], answer: Stored) -> Answer:
    """The answer that was kept."""
    found: Answer = _READERS[kind](answer)
    return found


def _user(answer: Stored) -> User:
    roles = frozenset(map(Role, answer["roles"]))
    created_at = datetime.fromisoformat(answer["created_at"])
    return User(UserId(answer["id"]), answer["email"], answer["display_name"], roles, created_at)


def _key_issue(answer: Stored) -> KeyIssue:
    created_at = datetime.fromisoformat(answer["created_at"])
    return KeyIssue(Till(TillId(answer["id"]), answer["name"], created_at), answer["number"])


_READERS: dict[type, Callable[[Stored], Any]] = {User: _user, KeyIssue: _key_issue}
