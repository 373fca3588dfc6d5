"""Reads JSON (RFC 8259) strictly: UTF-8 only, no NaN, no name twice in one object."""

import json
from typing import Any, NoReturn

from gateway.faults import Faults, Path


class NotJson(Exception):
    """The bytes are no JSON document. The message is for the caller."""


class _Repetitive(dict[str, Any]):
    """An object that names a member more than once; `repeated` are those names."""

    repeated: list[str]


def parse(body: bytes, faults: Faults) -> object:
    """The document in `body`; members that are named twice are added to `faults`.

    Raises:
        NotJson: It is not JSON; the message says where it stops being so.
    """
    text = _text(body)
    repetitive: list[_Repetitive] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) == len(pairs):
            return document
        marked = _Repetitive(document)
        names = [name for name, _ in pairs]
        marked.repeated = sorted({name for name in names if names.count(name) > 1})
        repetitive.append(marked)
        return marked

    try:
        document: object = json.loads(text, object_pairs_hook=members, parse_constant=_refuse_constant)
        if repetitive:
            _add_repeated(document, (), faults)
    except json.JSONDecodeError as error:
        raise NotJson(
            f"The body is not JSON: it breaks at byte {len(text[: error.pos].encode())} "
            f"(line {error.lineno}, column {error.colno})."
        ) from error
    except RecursionError as error:
        raise NotJson("The body is nested too deeply.") from error
    except ValueError as error:
        # Python refuses to convert integers of more than 4,300 digits.
        raise NotJson("The body holds a number that is too long.") from error
    return document


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8: it breaks at byte {error.start}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"The body is not JSON: {name} is no number.")


def _add_repeated(document: object, path: Path, faults: Faults) -> None:
    if isinstance(document, _Repetitive):
        for name in document.repeated:
            faults.add((*path, name), "is named more than once")
    if isinstance(document, dict):
        for name, value in document.items():
            _add_repeated(value, (*path, name), faults)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            _add_repeated(value, (*path, index), faults)
