"""What the API reads: evaluations, series and labels, each in a thread and in JSON when it comes back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from servicekit.clock import Clock
from services.monitoring.prometheus import answers
from services.monitoring.prometheus.errors import bad_data, bad_parameter
from services.monitoring.prometheus.evaluator import Evaluator
from services.monitoring.prometheus.parameters import Parameters
from services.monitoring.promql import (
    BadPattern,
    Cancellation,
    Engine,
    LabelSource,
    Matcher,
    Query,
    QueryError,
    SeriesSource,
)
from services.monitoring.promql.syntax import Selector

_MOST_STEPS = 11_000
_FIRST_MS, _LAST_MS = -(1 << 60), 1 << 60
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


class Queries:
    """Answers what can be asked of samples and of labels."""

    def __init__(
        self, samples: SeriesSource, labels: LabelSource, engine: Engine, evaluator: Evaluator, clock: Clock
    ) -> None:
        self._samples = samples
        self._labels = labels
        self._engine = engine
        self._evaluator = evaluator
        self._clock = clock

    async def instant(self, parameters: Parameters) -> bytes:
        """`/api/v1/query`."""
        at_ms = parameters.time_ms("time", self._now_ms())
        query = self._parsed(parameters)

        def work(cancellation: Cancellation) -> bytes:
            return answers.of_result(self._engine.instant(query, self._samples, at_ms, cancellation))

        return await self._run(work, parameters)

    async def range(self, parameters: Parameters) -> bytes:
        """`/api/v1/query_range`."""
        start_ms, end_ms = parameters.time_ms("start"), parameters.time_ms("end")
        if end_ms < start_ms:
            raise bad_parameter("end", "end timestamp must not be before start time")
        step_ms = parameters.duration_ms("step")
        if step_ms <= 0:
            raise bad_parameter(
                "step",
                "zero or negative query resolution step widths are not accepted. Try a positive integer",
            )
        if (end_ms - start_ms) / step_ms > _MOST_STEPS:
            raise bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries."
                " Try decreasing the query resolution (?step=XX)"
            )
        query = self._parsed(parameters)

        def work(cancellation: Cancellation) -> bytes:
            result = self._engine.range(query, self._samples, start_ms, end_ms, step_ms, cancellation)
            return answers.of_result(result)

        return await self._run(work, parameters)

    async def series(self, parameters: Parameters) -> bytes:
        """`/api/v1/series`."""
        if not parameters.texts("match[]"):
            raise bad_data("no match[] parameter provided")
        span, selectors, limit = self._span(parameters), self._selectors(parameters), parameters.limit()
        return await self._run(
            lambda _: answers.of_data(self._labels.series(selectors, *span)[:limit]), parameters
        )

    async def labels(self, parameters: Parameters) -> bytes:
        """`/api/v1/labels`."""
        span, selectors, limit = self._span(parameters), self._selectors(parameters), parameters.limit()
        return await self._run(
            lambda _: answers.of_data(self._labels.label_names(selectors, *span)[:limit]), parameters
        )

    async def label_values(self, name: str, parameters: Parameters) -> bytes:
        """`/api/v1/label/<name>/values`."""
        if not _LABEL.fullmatch(name):
            raise bad_data(f'invalid label name: "{name[:100]}"')
        span, selectors, limit = self._span(parameters), self._selectors(parameters), parameters.limit()
        return await self._run(
            lambda _: answers.of_data(self._labels.label_values(name, selectors, *span)[:limit]), parameters
        )

    def _parsed(self, parameters: Parameters) -> Query:
        try:
            return self._engine.parse(parameters.text("query"))
        except (QueryError, BadPattern) as error:
            raise bad_parameter("query", str(error)) from None

    def _selectors(self, parameters: Parameters) -> Sequence[Sequence[Matcher]]:
        return [self._selector(text) for text in parameters.texts("match[]")]

    def _selector(self, text: str) -> Sequence[Matcher]:
        try:
            root = self._engine.parse(text).root
        except (QueryError, BadPattern) as error:
            raise bad_parameter("match[]", str(error)) from None
        if not isinstance(root, Selector):
            raise bad_parameter("match[]", f"no vector selector: {text[:100]}")
        return root.matchers

    def _span(self, parameters: Parameters) -> tuple[int, int]:
        return parameters.time_ms("start", _FIRST_MS), parameters.time_ms("end", _LAST_MS)

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    async def _run(self, work: Callable[[Cancellation], bytes], parameters: Parameters) -> bytes:
        timeout_ms = parameters.duration_ms("timeout", int(self._evaluator.timeout_seconds * 1000))
        return await self._evaluator.run(work, max(timeout_ms, 1) / 1000)
