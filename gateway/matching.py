"""Finds what a method and a path lead to, among templates of `google.api.http`.

Precedence at each segment: the literal, then `*`, then `**`. A path that ends in
a verb which some template knows there is only ever matched with that verb, so that
`GET /v1/orders/7:cancel` is a wrong method and not the order "7:cancel".
Two templates of one shape cannot both be added: one would never be reached.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from gateway.templates import BadPath, Template, Wildcard, decoded

T = TypeVar("T")

ANY_METHOD = "*"
"""A custom pattern of this kind leaves the HTTP method open."""


class Shadowed(Exception):
    """A template that could never be reached, because `first` takes all of its requests."""

    def __init__(self, first: Template) -> None:
        super().__init__(f"is shadowed by {first.text!r}")
        self.first = first


class PathUnknown(Exception):
    """No template matches the path, with any method."""


class MethodUnknown(Exception):
    """Templates match the path, but none with this method. `allowed` is sorted."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(", ".join(allowed))
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Match(Generic[T]):
    """What a request leads to, and the still encoded segments of its path, without the verb."""

    target: T
    segments: list[str]


@dataclass(slots=True)
class _Node(Generic[T]):
    """One place in the tree of templates."""

    literals: "dict[str, _Node[T]]" = field(default_factory=dict)
    one: "_Node[T] | None" = None
    rest: "_Node[T] | None" = None
    leaves: dict[str, dict[str, tuple[Template, T]]] = field(default_factory=dict)
    """By verb, then by method."""


class Paths(Generic[T]):
    """All templates, as one tree."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._verbs: set[str] = set()

    def add(self, method: str, template: Template, target: T) -> None:
        """Let `method` on paths of `template` lead to `target`. Raises Shadowed."""
        node = self._root
        for segment in template.segments:
            node = _child(node, segment)
        methods = node.leaves.setdefault(template.verb, {})
        if method in methods:
            raise Shadowed(methods[method][0])
        methods[method] = (template, target)
        self._verbs.add(template.verb)

    def find(self, method: str, path: str) -> Match[T]:
        """What `method` on `path`, still encoded, leads to.

        Raises:
            BadPath: The path is no text.
            PathUnknown: There is nothing at this path.
            MethodUnknown: There is, but not for this method.
        """
        if not path.startswith("/"):
            raise BadPath("the path does not begin with a slash")
        segments = path[1:].split("/")
        last, colon, verb = segments[-1].rpartition(":")
        if colon and decoded(verb) in self._verbs:
            with_verb = [*segments[:-1], last]
            leaves = list(self._leaves(with_verb, decoded(verb)))
            if leaves:
                return _chosen(leaves, method, with_verb)
        return _chosen(list(self._leaves(segments, "")), method, segments)

    def _leaves(self, segments: list[str], verb: str) -> Iterator[dict[str, tuple[Template, T]]]:
        """What stands at the ends of the ways that match, best first."""
        names = [decoded(segment) for segment in segments]
        for node in _ends(self._root, names, 0):
            if verb in node.leaves:
                yield node.leaves[verb]


def _child(node: _Node[T], segment: str | Wildcard) -> _Node[T]:
    """The node below for `segment`, made if it is not there."""
    if segment is Wildcard.ONE:
        node.one = node.one or _Node()
        return node.one
    if segment is Wildcard.REST:
        node.rest = node.rest or _Node()
        return node.rest
    return node.literals.setdefault(str(segment), _Node())


def _ends(node: _Node[T], names: list[str], at: int) -> Iterator[_Node[T]]:
    """The nodes at which the names from `at` on can end, by precedence."""
    if at == len(names):
        yield node
    else:
        below = node.literals.get(names[at])
        if below is not None:
            yield from _ends(below, names, at + 1)
        if node.one is not None and names[at]:
            yield from _ends(node.one, names, at + 1)
    if node.rest is not None:
        yield node.rest


def _chosen(leaves: list[dict[str, tuple[Template, T]]], method: str, segments: list[str]) -> Match[T]:
    """The first leaf that has the method; a literal path does not hide the methods of a wildcard."""
    for methods in leaves:
        found = methods.get(method) or methods.get(ANY_METHOD)
        if found is not None:
            return Match(found[1], segments)
    if not leaves:
        raise PathUnknown
    raise MethodUnknown(tuple(sorted({method for methods in leaves for method in methods})))
