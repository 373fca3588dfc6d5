"""Every function, aggregation and operator there is: parsed, and evaluated at once and over a range."""

import numpy as np
import pytest

from services.monitoring.promql import (
    Engine,
    Labels,
    MatrixResult,
    MemorySource,
    ScalarResult,
    Series,
    VectorResult,
)
from services.monitoring.promql.evaluation import SUPPORTED

MINUTE = 60_000
TIMES = np.arange(0, 60 * MINUTE, MINUTE, dtype=np.int64)
SOURCE = MemorySource(
    Series(
        Labels({"__name__": name, "job": job, "le": bound}),
        TIMES,
        np.cumsum(np.full(60, 1.0 + len(bound))),
    )
    for name in ("x_total", "y_total")
    for job in ("a", "b")
    for bound in ("0.5", "1", "+Inf")
)
SPECIAL = {
    "absent": "absent(x_total)",
    "clamp": "clamp(x_total, 1, 2)",
    "clamp_max": "clamp_max(x_total, 2)",
    "clamp_min": "clamp_min(x_total, 1)",
    "double_exponential_smoothing": "double_exponential_smoothing(x_total[5m], 0.5, 0.5)",
    "histogram_fraction": "histogram_fraction(0, 1, x_total)",
    "histogram_quantile": "histogram_quantile(0.9, x_total)",
    "histogram_quantiles": 'histogram_quantiles(x_total, "q", 0.5, 0.9)',
    "holt_winters": "holt_winters(x_total[5m], 0.5, 0.5)",
    "label_join": 'label_join(x_total, "to", "-", "job", "le")',
    "label_replace": 'label_replace(x_total, "to", "$1", "job", "(.*)")',
    "max_of": "max_of(1, 2)",
    "min_of": "min_of(1, 2)",
    "predict_linear": "predict_linear(x_total[5m], 60)",
    "quantile_over_time": "quantile_over_time(0.9, x_total[5m])",
    "sort_by_label": 'sort_by_label(x_total, "job")',
    "sort_by_label_desc": 'sort_by_label_desc(x_total, "job")',
    "vector": "vector(1)",
}
OF_RANGES = {"changes", "delta", "deriv", "idelta", "increase", "irate", "rate", "resets"}
OF_NOTHING = {"end", "pi", "range", "start", "step", "time"}
AGGREGATIONS = (
    "sum(x_total)",
    "avg by (job) (x_total)",
    "min without (le) (x_total)",
    "max(x_total)",
    "count(x_total)",
    "group(x_total)",
    "stddev(x_total)",
    "stdvar(x_total)",
    "topk(2, x_total)",
    "bottomk by (job) (1, x_total)",
    "quantile(0.5, x_total)",
    'count_values("v", x_total)',
    "limitk(2, x_total)",
    "limit_ratio(0.5, x_total)",
)
ARITHMETIC = ("+", "-", "*", "/", "%", "^", "atan2")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
OPERATORS = (
    *(f"x_total {operator} on (job, le) y_total" for operator in (*ARITHMETIC, *COMPARISONS)),
    *(f"x_total {operator} bool ignoring (none) y_total" for operator in COMPARISONS),
    *(f"2 {operator} x_total" for operator in (*ARITHMETIC, *COMPARISONS)),
    *(f"vector(3 {operator} 2)" for operator in ARITHMETIC),
    *(f"vector(3 {operator} bool 2)" for operator in COMPARISONS),
    *(f"x_total {operator} y_total" for operator in ("and", "or", "unless")),
    "x_total * on (job) group_left y_total{le='1'}",
    "y_total{le='1'} * on (job) group_right x_total",
    "x_total + fill(0) y_total{job='a'}",
    "-x_total",
    "+x_total",
    "x_total offset 5m",
    "x_total @ 600",
    "x_total @ start() offset -1m",
    "max_over_time(x_total[10m:1m])",
    "sum_over_time((x_total > 5)[10m:] @ end())",
)


def _example(function: str) -> str:
    if function in SPECIAL:
        return SPECIAL[function]
    if function.endswith("_over_time") or function in OF_RANGES:
        return f"{function}(x_total[5m])"
    return f"{function}()" if function in OF_NOTHING else f"{function}(x_total)"


@pytest.mark.parametrize("query", [*map(_example, sorted(SUPPORTED)), *AGGREGATIONS, *OPERATORS])
def test_everything_in_the_language_runs(query: str) -> None:
    engine = Engine()
    parsed = engine.parse(query)

    instant = engine.instant(parsed, SOURCE, 30 * MINUTE).value
    whole = engine.range(parsed, SOURCE, 20 * MINUTE, 40 * MINUTE, MINUTE).value

    assert isinstance(instant, ScalarResult | VectorResult)
    assert isinstance(whole, MatrixResult)


def test_the_deepest_query_there_may_be_runs() -> None:
    engine = Engine()

    for query in (
        "abs(" * 145 + "x_total" + ")" * 145,
        " + ".join(["x_total"] * 140),
        "-(" * 70 + "x_total" + ")" * 70,
    ):
        engine.range(engine.parse(query), SOURCE, 20 * MINUTE, 40 * MINUTE, MINUTE)
