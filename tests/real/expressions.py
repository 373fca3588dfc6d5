"""Queries made at random from a seed, of every part of PromQL that both engines have."""

import random
from collections.abc import Callable, Iterator

from tests.real.samples import END_MS, START_MS

_RANGES = ("1s", "30s", "1m", "5m", "7m30s", "20m", "1h")
_LABELS = ("job", "instance", "path", "le", "absent")
_RANGE_FUNCTIONS = (
    ("rate", "c"),
    ("increase", "c"),
    ("irate", "c"),
    ("resets", "c"),
    ("delta", "g"),
    ("idelta", "g"),
    ("deriv", "g"),
    ("changes", "g"),
    ("sum_over_time", "g"),
    ("avg_over_time", "g"),
    ("min_over_time", "g"),
    ("max_over_time", "g"),
    ("count_over_time", "g"),
    ("last_over_time", "g"),
    ("present_over_time", "g"),
    ("stddev_over_time", "g"),
    ("stdvar_over_time", "g"),
    ("absent_over_time", "g"),
    ("rate", "g"),
)
_EXACT_FUNCTIONS = frozenset(
    {
        "resets",
        "changes",
        "min_over_time",
        "max_over_time",
        "count_over_time",
        "last_over_time",
        "present_over_time",
        "idelta",
    }
)
_VALUE_FUNCTIONS = (
    "abs",
    "sgn",
    "sqrt",
    "exp",
    "ln",
    "log2",
    "log10",
    "deg",
    "rad",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "timestamp",
    "sort",
    "sort_desc",
    "absent",
    "scalar",
)
_DATES = ("hour", "minute", "month", "year", "day_of_week", "day_of_month", "day_of_year", "days_in_month")
_FOLDS = ("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar")


class Queries:
    """An endless stream of queries.

    Where a tiny difference could become a large one (comparisons, rounding, a choice of k series),
    the operands are values that both engines must have exactly.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __iter__(self) -> Iterator[str]:
        while True:
            yield self.vector(3)

    def _pick(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def vector(self, depth: int) -> str:
        """Return an instant vector; values may differ in their last digits."""
        if depth == 0:
            return self.exact(0)
        inner = depth - 1
        make = self._random.choice(
            [
                self.exact,
                self._over_time,
                self._fold,
                self._arithmetic,
                self._of_values,
                self._between,
                self._set,
                self._quantile,
                self._relabelled,
                self._subquery,
                self._over_time,
                self._fold,
                self._with_group,
            ]
        )
        return make(inner)

    def exact(self, depth: int) -> str:
        """Return an instant vector whose values both engines have exactly."""
        inner = max(0, depth - 1)
        kinds: list[Callable[[int], str]] = [self._selector] * 3
        if depth:
            kinds += [
                self._exact_over_time,
                self._comparison,
                self._chosen,
                self._rounded,
                self._date,
                self._counted,
            ]
        return self._random.choice(kinds)(inner)

    def _matchers(self) -> str:
        return self._pick(
            "",
            "",
            "",
            '{job="api"}',
            '{job=~"api|db"}',
            '{job!="web"}',
            '{instance!~"[01]"}',
            '{job=~".*b.*"}',
            '{instance="1",job=~"a.+"}',
            '{absent=""}',
            '{job=~"none|d.*"}',
        )

    def _shift(self) -> str:
        if self._chance(0.75):
            return ""
        at = (START_MS + self._random.randrange(END_MS - START_MS)) / 1000
        return self._pick(" offset 3m", " offset -2m", f" @ {at:.3f}", " @ start()", " @ end() offset 1m")

    def _selector(self, _: int) -> str:
        name = self._pick(*["requests_total", "errors_total", "load"] * 5, "info", "nothing")
        return f"{name}{self._matchers()}{self._shift()}"

    def _window(self, kind: str, shift: str | None = None) -> str:
        name = self._pick("requests_total", "errors_total") if kind == "c" else "load"
        shift = self._shift() if shift is None else shift
        return f"{name}{self._matchers()}[{self._pick(*_RANGES)}]{shift}"

    def _over_time(self, _: int) -> str:
        if self._chance(0.2):
            quantile = self._pick("0", "0.5", "0.9", "1", "-1", "2")
            return self._pick(
                f"quantile_over_time({quantile}, {self._window('g')})",
                f"predict_linear({self._window('g', shift='')}, {self._pick('60', '3600', '-300')})",
                f"holt_winters({self._window('c')}, 0.3, 0.6)",
            )
        function, kind = self._random.choice(_RANGE_FUNCTIONS)
        return f"{function}({self._window(kind)})"

    def _exact_over_time(self, _: int) -> str:
        function, kind = self._random.choice(
            [each for each in _RANGE_FUNCTIONS if each[0] in _EXACT_FUNCTIONS]
        )
        return f"{function}({self._window(kind)})"

    def _subquery(self, depth: int) -> str:
        span = self._pick("5m:1m", "10m:30s", "10m:", "20m:7m", "3m:15s")
        function = self._pick(*(function for function, _ in _RANGE_FUNCTIONS))
        inner = self.exact(min(depth, 1)) if function in _EXACT_FUNCTIONS else self.vector(min(depth, 1))
        return f"{function}(({inner})[{span}]{self._shift()})"

    def _grouping(self) -> str:
        labels = ", ".join(self._random.sample(_LABELS, self._random.randrange(3)))
        return self._pick("", f"by ({labels}) ", f"without ({labels}) ")

    def _fold(self, depth: int) -> str:
        return f"{self._pick(*_FOLDS)} {self._grouping()}({self.vector(depth)})"

    def _chosen(self, depth: int) -> str:
        function, limit = self._pick("topk", "bottomk"), self._pick("1", "2", "5", "0")
        return f"{function} {self._grouping()}({limit}, {self.exact(depth)})"

    def _counted(self, depth: int) -> str:
        return f'count_values {self._grouping()}("value", {self.exact(depth)})'

    def _quantile(self, depth: int) -> str:
        if self._chance(0.5):
            rank = self._pick("0.5", "0.1", "1", "-1", "NaN")
            return f"quantile {self._grouping()}({rank}, {self.vector(depth)})"
        buckets = self._pick(
            "seconds_bucket", "rate(seconds_bucket[5m])", "sum by (le, job) (rate(seconds_bucket[5m]))"
        )
        return f"histogram_quantile({self._pick('0.5', '0.9', '0.99', '0', '1', '2')}, {buckets})"

    def _arithmetic(self, depth: int) -> str:
        number = self._pick(
            "2", "0.5", "-3", "1e3", "time()", "scalar(requests_total{instance='1',job='api'})"
        )
        left, right = self.vector(depth), number
        if self._chance(0.5):
            left, right = right, left
        return f"({left} {self._pick('+', '-', '*', '/')} {right})"

    def _comparison(self, depth: int) -> str:
        operator = self._pick("==", "!=", ">", ">=", "<", "<=")
        boolean = self._pick("", "bool ")
        number = self._pick("0", "10", "-5.5", "500", "1", "NaN", "Inf")
        left, right = self.exact(depth), number
        if self._chance(0.3):
            left, right = right, left
        return f"({left} {operator} {boolean}{right})"

    def _rounded(self, depth: int) -> str:
        value = self.exact(depth)
        return self._pick(
            f"floor({value})",
            f"ceil({value})",
            f"round({value})",
            f"round({value}, 5)",
            f"clamp({value}, -5, 100)",
            f"clamp_min({value}, 3)",
            f"clamp_max({value}, 7.5)",
            f"-{value}",
            f"sgn({value})",
            f"({value} % 7)",
        )

    def _of_values(self, depth: int) -> str:
        function = self._pick(*_VALUE_FUNCTIONS)
        inner = self.exact(depth) if function in {"sgn", "scalar", "timestamp"} else self.vector(depth)
        if function in {"exp", "sinh", "cosh"}:
            inner = f"clamp({inner}, -50, 50)"
        value = f"{function}({inner})"
        return f"vector({value})" if function == "scalar" else value

    def _date(self, _: int) -> str:
        # Of finite values: what NaN is as a date depends on the processor that Prometheus runs on.
        return self._pick(
            f"{self._pick(*_DATES)}()", f"{self._pick(*_DATES)}(requests_total{self._matchers()} * 1e5)"
        )

    def _matching(self) -> str:
        labels = ", ".join(self._random.sample(_LABELS[:3], self._random.randrange(1, 3)))
        return self._pick("", "", "", "on (job, instance) ", f"on ({labels}) ", f"ignoring ({labels}) ")

    def _between(self, depth: int) -> str:
        operator = self._pick("+", "-", "*", "/", "atan2")
        result = f"({self.vector(depth)} {operator} {self._matching()}{self.vector(depth)})"
        # Until 3.0 atan2 kept the name of the metric.
        return f"abs({result})" if operator == "atan2" else result

    def _with_group(self, depth: int) -> str:
        left = self._pick("requests_total", "load", "rate(errors_total[5m])", "sum by (job, instance) (load)")
        join = self._pick("group_left", "group_left (version)", "group_left (absent)")
        many_to_one = f"({left} * on (job) {join} info)"
        one_to_many = f"(info * on (job) {join.replace('left', 'right')} {left})"
        compared = (
            f"({self._selector(0)} {self._pick('>', '<=', '== bool')} {self._matching()}{self._selector(0)})"
        )
        return self._pick(many_to_one, one_to_many, compared)

    def _set(self, depth: int) -> str:
        operator = self._pick("and", "or", "unless")
        return f"({self.vector(depth)} {operator} {self._matching()}{self.vector(depth)})"

    def _relabelled(self, depth: int) -> str:
        value = self.vector(depth)
        return self._pick(
            f'label_replace({value}, "new", "$1-${{2}}", "job", "(.)(.*)")',
            f'label_replace({value}, "job", "same", "job", ".*")',
            f'label_replace({value}, "new", "x$3y", "instance", "(.)")',
            f'label_join({value}, "new", "-", "job", "instance", "none")',
        )
