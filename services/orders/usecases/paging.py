"""Pages by key: a token names the last item of a page, so that nothing is skipped or shown twice."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from servicekit.errors import FieldViolation
from services.orders.model import Page

DEFAULT_PAGE_SIZE: Final = 50
MAX_PAGE_SIZE: Final = 1000

T = TypeVar("T")


def size_violations(page_size: int) -> list[FieldViolation]:
    """What is wrong with a page size; 0 stands for the default."""
    if 0 <= page_size <= MAX_PAGE_SIZE:
        return []
    return [FieldViolation("page_size", f"must be 1 to {MAX_PAGE_SIZE}")]


def token_violations(token: str, is_key: Callable[[str], bool]) -> list[FieldViolation]:
    """What is wrong with a page token that should name a key."""
    if not token or is_key(key_of(token)):
        return []
    return [FieldViolation("page_token", "must be the nextPageToken of a page before")]


def key_of(token: str) -> str:
    """The key that a token names; empty for one that names none."""
    try:
        return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""


def page_of(found: Sequence[T], page_size: int, key: Callable[[T], str]) -> Page[T]:
    """A page of what was found, which is one item more than the page when another follows."""
    items = tuple(found[:page_size])
    return Page(items, _token(key(items[-1])) if len(found) > page_size else "")


def _token(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode("ascii")).decode("ascii").rstrip("=")
