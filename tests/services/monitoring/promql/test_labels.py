"""Labels and matchers."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.monitoring.promql import BadPattern, Labels, Matcher, MatchOperator

LABELS = Labels({"b": "2", "__name__": "x", "a": "1", "none": ""})


def test_an_empty_value_is_an_absent_label() -> None:
    assert "none" not in LABELS
    assert Labels({"a": "1"}).with_values({"a": ""}) == Labels()


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
def test_equal_labels_are_one_key(pairs: dict[str, str]) -> None:
    backwards = Labels(reversed(list(pairs.items())))

    assert Labels(pairs) == backwards
    assert len({Labels(pairs), backwards}) == 1


def test_labels_never_change() -> None:
    for change in (LABELS.update, LABELS.popitem, LABELS.clear):
        with pytest.raises(TypeError, match="labels never change"):
            change()
    with pytest.raises(TypeError):
        LABELS["a"] = "2"
    assert LABELS["a"] == "1"


def test_labels_can_be_copied_and_pickled() -> None:
    assert copy.deepcopy(LABELS) == LABELS
    assert pickle.loads(pickle.dumps(LABELS)) == LABELS


def test_labels_are_written_as_prometheus_writes_them() -> None:
    assert str(Labels({"b": 'say "hi"\n', "a": "\\"})) == r'{a="\\", b="say \"hi\"\n"}'


def test_what_is_derived_from_labels_is_kept_with_them() -> None:
    assert LABELS.nameless == Labels({"a": "1", "b": "2"})
    assert LABELS.nameless is LABELS.nameless
    assert LABELS.bucketless is LABELS
    assert LABELS.only(["a", "none"]) == Labels({"a": "1"})


@pytest.mark.parametrize(
    ("op", "pattern", "value", "expected"),
    [
        ("=", "a.c", "abc", False),
        ("!=", "a.c", "abc", True),
        ("=~", "a.c", "abc", True),
        ("=~", "a.c", "xabc", False),
        ("=~", "a.c", "a\nc", True),
        ("=~", "a|b", "ab", False),
        ("=~", ".*", "", True),
        ("!~", ".+", "", True),
        ("=~", "(?i:API)", "api", True),
        ("=~", "é.", "éü", True),
    ],
)
def test_a_matcher_tells_what_it_accepts(op: MatchOperator, pattern: str, value: str, expected: bool) -> None:
    assert Matcher("name", op, pattern).matches(value) is expected


def test_a_bad_expression_says_why() -> None:
    with pytest.raises(BadPattern, match="missing"):
        Matcher("name", "=~", "(").matches("")
