"""Text to tree: what is read, and what hostile text does, which is nothing."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.monitoring.promql import LimitExceeded, Limits, Matcher, ParseError
from services.monitoring.promql.errors import QueryError
from services.monitoring.promql.parsing import parse
from services.monitoring.promql.syntax import (
    Anchor,
    Call,
    Number,
    Range,
    Selector,
    Shift,
    Subquery,
    is_invariant,
    kind_of,
)

NAME = Matcher("__name__", "=", "x")
TEXT = """
    x sum by without ( ) [ ] { } , = != =~ !~ 5m 1h : @ offset - + * / % ^ and or unless on ignoring
    group_left group_right bool rate topk 1 0x1f NaN Inf "a" "(" start() end() histogram_quantile # == > <
    absent_over_time label_replace ' ` \\ \x00 é 1e400 -5 fill(0) "\\n" \u2028 a:b __name__ =~"(" [1m:]
"""
WORDS = [*TEXT.split(), "\n"]


@pytest.mark.parametrize(
    ("text", "shift"),
    [
        ("x", Shift()),
        ("x offset 1m", Shift(None, 60_000)),
        ("x offset -1m30s", Shift(None, -90_000)),
        ("x @ 1.5", Shift(1_500, 0)),
        ("x @ -5.25", Shift(-5_250, 0)),
        ("x @ start() offset 1s", Shift(Anchor.START, 1_000)),
        ("x offset 1s @ end()", Shift(Anchor.END, 1_000)),
    ],
)
def test_a_selector_knows_when_to_look(text: str, shift: Shift) -> None:
    assert parse(text, Limits()) == Selector((NAME,), shift)


def test_the_at_of_a_subquery_is_not_that_of_what_is_in_it() -> None:
    tree = parse("max_over_time((x @ 7)[5m:1m] @ -3)", Limits())

    assert isinstance(tree, Call)
    assert tree.arguments == (Subquery(Selector((NAME,), Shift(7_000)), 300_000, 60_000, Shift(-3_000)),)


def test_parentheses_leave_nothing_behind() -> None:
    assert parse("((x[5m]))", Limits()) == Range(Selector((NAME,)), 300_000)
    assert parse("(((1)))", Limits()) == Number(1.0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", False),
        ("x @ 5", True),
        ("sum(x @ 5) + 1", True),
        ("time()", False),
        ("rate(x[1m] @ 5) + x", False),
        ("predict_linear(x[1m] @ 5, 1)", False),
        ("sum_over_time(x[5m:1m])", False),
        ("pi()", True),
    ],
)
def test_what_is_the_same_at_each_step_is_known(text: str, expected: bool) -> None:
    assert is_invariant(parse(text, Limits())) is expected


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", "scalar"),
        ("x", "vector"),
        ("x[1m]", "matrix"),
        ('"a"', "string"),
        ("1 + scalar(x)", "scalar"),
        ("-x", "vector"),
    ],
)
def test_a_query_knows_the_kind_of_its_result(text: str, kind: str) -> None:
    assert kind_of(parse(text, Limits())) == kind


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20_000 + "x" + ")" * 20_000,
        "(" * 3_000 + "x" + ")" * 3_000,
        "[" * 8_000,
        "-" * 8_000 + "x",
        "+".join(["x"] * 4_000),
        " or ".join(["x"] * 1_600),
        "^".join(["1"] * 4_000),
        "sum(" * 1_600 + "x" + ")" * 1_600,
        "x" * 9_000,
        'x{a="' + "(" * 9_000 + '"}',
        "1 + " * 400 + "1",
    ],
)
def test_a_hostile_text_is_refused_at_once(text: str) -> None:
    began = time.monotonic()

    with pytest.raises(LimitExceeded):
        parse(text, Limits())

    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    "pattern", ["((((a{1000}){1000}){1000}){1000})", r"(a+)+\\1", "(?=a)", "a{2000}", "(" * 500 + ")" * 500]
)
def test_a_regex_bomb_is_no_query(pattern: str) -> None:
    with pytest.raises(ParseError):
        parse(f'x{{a=~"{pattern}"}}', Limits())


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    text = "x{a='" + "(" * 300 + "'} # " + "(" * 300 + '\n + y{b="\\"' + "[" * 300 + '"}'

    assert kind_of(parse(text, Limits())) == "vector"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_query_or_an_error_of_ours(text: str) -> None:
    try:
        parse(text, Limits())
    except QueryError:
        return


@pytest.mark.proof
def test_a_hundred_thousand_texts_crash_nothing() -> None:
    seed = 5
    numbers = random.Random(seed)
    accepted = 0
    for _ in range(100_000):
        text = " ".join(numbers.choices(WORDS, k=numbers.randrange(1, 12)))
        try:
            parse(text, Limits())
            accepted += 1
        except QueryError:
            continue

    print(f"seed {seed}: {accepted} accepted")
    assert accepted > 1_000
