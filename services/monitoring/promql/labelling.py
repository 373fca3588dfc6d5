"""Functions that change, make up or sort by labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from services.monitoring.promql.errors import EvaluationError
from services.monitoring.promql.labels import METRIC_NAME, Labels
from services.monitoring.promql.matchers import BadPattern, Matcher, anchored
from services.monitoring.promql.syntax import Node, Range, Selector
from services.monitoring.promql.values import Bools, Frame, merged

_TEMPLATE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})", re.ASCII)
_DIGITS = re.compile(r"([0-9]+)")


def label_replace(frame: Frame, target: str, replacement: str, source: str, pattern: str) -> Frame:
    """Set a label to what a match of another makes of a template; series that do not match are as they were.

    Raises:
        EvaluationError: The expression or the name is not valid, or two series become one.
    """
    try:
        compiled = anchored(pattern)
    except BadPattern:
        raise EvaluationError(f"invalid regular expression in label_replace(): {pattern}") from None
    if not target:
        raise EvaluationError(f"invalid destination label name in label_replace(): {target}")
    matches = {value: compiled.fullmatch(value) for value in {each.get(source, "") for each in frame.labels}}
    expanded = {value: _expanded(replacement, match) for value, match in matches.items() if match}

    def relabel(labels: Labels) -> Labels:
        text = expanded.get(labels.get(source, ""))
        return labels if text is None else labels.with_values({target: text})

    return _relabelled(frame, target, relabel)


def label_join(frame: Frame, target: str, separator: str, sources: Sequence[str]) -> Frame:
    """Set a label to others, joined.

    Raises:
        EvaluationError: A name is not valid, or two series become one.
    """
    if not all(sources):
        raise EvaluationError("invalid source label name in label_join(): ")
    if not target:
        raise EvaluationError("invalid destination label name in label_join(): ")
    return _relabelled(
        frame,
        target,
        lambda labels: labels.with_values({target: separator.join(labels.get(name, "") for name in sources)}),
    )


def _relabelled(frame: Frame, target: str, relabel: Callable[[Labels], Labels]) -> Frame:
    labels = [relabel(each) for each in frame.labels]
    flags = frame.nameless
    if flags is not None and target == METRIC_NAME:
        changed = [new is not old for new, old in zip(labels, frame.labels, strict=True)]
        flags = flags & ~np.array(changed, dtype=np.bool_)
    return merged(replace(frame, labels=labels, nameless=flags))


def _expanded(template: str, match: Any) -> str:  # noqa: ANN401  # re2 has no types
    """Fill in a template as Go's `Regexp.Expand` does: a group that is not there is empty."""
    names = match.re.groupindex

    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        index = int(name) if name.isdigit() else names.get(name, -1)
        return (match.group(index) or "") if 0 <= index <= match.re.groups else ""

    return _TEMPLATE.sub(group, template)


def absent(node: Node, present: Bools) -> Frame:
    """Return 1 at the steps at which there is nothing, with the labels that a selector asks for."""
    missing = ~present[None, :]
    return Frame([_asked_for(node)], np.ones(missing.shape), missing).without_empty_rows()


def _asked_for(node: Node) -> Labels:
    selector = node.selector if isinstance(node, Range) else node
    matchers: tuple[Matcher, ...] = selector.matchers if isinstance(selector, Selector) else ()
    found: dict[str, str] = {}
    seen: set[str] = set()
    for matcher in matchers:
        if matcher.name == METRIC_NAME:
            continue
        if matcher.op == "=" and matcher.name not in seen:
            found[matcher.name] = matcher.value
            seen.add(matcher.name)
        else:
            found.pop(matcher.name, None)
    return Labels(found)


def sort(frame: Frame, *, descending: bool) -> Frame:
    """Return the series of an instant query by value, NaN last; those of a range query as they were."""
    if frame.steps != 1:
        return frame
    values = frame.values[:, 0]
    keys = -values if descending else values
    return frame.take(np.lexsort((keys, np.isnan(values))))


def sort_by_label(frame: Frame, names: Sequence[str], *, descending: bool) -> Frame:
    """Return the series of an instant query by some labels, then by all; digits count as numbers."""
    if frame.steps != 1:
        return frame

    def key(row: int) -> tuple[Any, ...]:
        labels = frame.labels[row]
        return (*(natural(labels.get(name, "")) for name in names), tuple(labels.items()))

    order = sorted(range(len(frame.labels)), key=key, reverse=descending)
    return frame.take(np.array(order, dtype=np.intp))


def natural(text: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts texts as people do: `a2` before `a10`."""
    parts = [part for part in _DIGITS.split(text) if part]
    return [(0, int(part), part) if part.isdecimal() and part.isascii() else (1, 0, part) for part in parts]
