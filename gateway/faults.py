"""What is wrong with the fields of a request: all of it at once, each with its place."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

MOST_FAULTS = 50
"""More are not told: a request of a million faults deserves no answer of a million lines."""

LONGEST_NAME = 200
"""Characters of one name that are repeated to the client."""

Path: TypeAlias = tuple[str | int, ...]
"""The way to a value in a document: names of members and numbers of elements."""


class Place(StrEnum):
    """The part of a request that a fault is in."""

    BODY = "body"
    QUERY = "query"
    PATH = "path"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in words for the caller that repeat no value."""

    place: Place
    pointer: str
    """RFC 6901, over the JSON names of the fields."""
    detail: str


class Faults:
    """Collects faults; keeps the first `MOST_FAULTS`."""

    def __init__(self) -> None:
        self._found: list[Fault] = []

    def add(self, path: Path, detail: str, place: Place = Place.BODY) -> None:
        """Note that the value at `path` is not as it must be."""
        if len(self._found) < MOST_FAULTS:
            self._found.append(Fault(place, pointer(path), detail))

    def __iter__(self) -> Iterator[Fault]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def pointer(path: Path) -> str:
    """The JSON pointer (RFC 6901) of a path; names that a client made up are cut and mended."""
    return "".join(f"/{_step(step)}" for step in path)


def _step(step: str | int) -> str:
    text = str(step)[:LONGEST_NAME].replace("~", "~0").replace("/", "~1")
    return text.encode(errors="replace").decode()
