"""The metrics of one process: nothing can be measured that was not declared.

Instruments are prometheus_client's, in a registry of their own, made from
`observability/telemetry/`. The declared label sets are held where children are
made: a value outside a closed set becomes "other" where the set has an "other", and
is refused where it has none; a bounded label gives names to its first N values, and
later ones are "other". Memory is bounded by what is declared.
"""

import threading
from pathlib import Path
from typing import Generic, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

from servicekit.declarations import OTHER, TELEMETRY, Bounded, Declaration, declared

M = TypeVar("M", bound=MetricWrapperBase)


class Undeclared(LookupError):
    """A metric, a label or a label's value that no declaration has: a fault of the program."""


class _Family(Generic[M]):
    """One metric and its children. Children are cached: asking again costs a dictionary look-up."""

    def __init__(self, declaration: Declaration, metric: M) -> None:
        self._declaration = declaration
        self._metric = metric
        self._children: dict[tuple[tuple[str, str], ...], M] = {}
        self._named: dict[str, set[str]] = {label: set() for label in declaration.labels}
        self._lock = threading.Lock()

    def labels(self, **labels: str) -> M:
        """The child for this label set; `Undeclared` if the declaration has no such label or value."""
        child = self._children.get(tuple(labels.items()))
        return self._child(labels) if child is None else child

    def _child(self, labels: dict[str, str]) -> M:
        if labels.keys() != self._declaration.labels.keys():
            raise Undeclared(f"{self._declaration.name} has labels {sorted(self._declaration.labels)}")
        if not labels:
            return self._metric
        kept = {label: self._kept(label, value) for label, value in labels.items()}
        child = self._metric.labels(**kept)
        if kept == labels:  # What became "other" is not remembered: there is no end to it.
            self._children[tuple(labels.items())] = child
        return child

    def _kept(self, label: str, value: str) -> str:
        """The value that stands for `value`."""
        allowed = self._declaration.labels[label]
        if isinstance(allowed, Bounded):
            return self._kept_within(label, value, allowed.bounded)
        if value in allowed:
            return value
        if OTHER in allowed:
            return OTHER
        raise Undeclared(f"{self._declaration.name} has no {label}={value!r}")

    def _kept_within(self, label: str, value: str, bound: int) -> str:
        named = self._named[label]
        with self._lock:
            if value not in named and len(named) < bound:
                named.add(value)
            return value if value in named else OTHER


class Counter(_Family[prometheus_client.Counter]):
    """Counts; starts at 0 for every label set that is known beforehand, so that its first step shows."""

    def __init__(self, declaration: Declaration, metric: prometheus_client.Counter) -> None:
        super().__init__(declaration, metric)
        if declaration.is_closed:
            for labels in declaration.label_sets():
                self.labels(**labels)

    def inc(self, amount: float = 1) -> None:
        """Add to a counter that has no labels."""
        self.labels().inc(amount)


class Gauge(_Family[prometheus_client.Gauge]):
    """A value that goes up and down."""

    def set(self, value: float) -> None:
        """Set a gauge that has no labels."""
        self.labels().set(value)


class Histogram(_Family[prometheus_client.Histogram]):
    """Sorts measurements into the declared buckets."""

    def observe(self, amount: float) -> None:
        """Measure into a histogram that has no labels."""
        self.labels().observe(amount)


F = TypeVar("F", Counter, Gauge, Histogram)


class Instruments:
    """The instruments of one process, made from its declarations when they are first asked for.

    So a process shows what it measures, and no zeros for a database that it does not have.

    Args:
        service: Whose declarations to read, beside those of every process.
        registry: Where they are collected; a new one unless given.
        folder: Where the declarations are.
    """

    def __init__(
        self, service: str, registry: CollectorRegistry | None = None, folder: Path = TELEMETRY
    ) -> None:
        # Process-wide, for the library knows no other way: `_created` series are declared nowhere.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.service = service
        self.registry = registry or CollectorRegistry()
        self.declarations = declared(service, folder)
        self._families: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str) -> Counter:
        """The counter so declared, or `Undeclared`."""
        return self._of(name, Counter)

    def gauge(self, name: str) -> Gauge:
        """The gauge so declared, or `Undeclared`."""
        return self._of(name, Gauge)

    def histogram(self, name: str) -> Histogram:
        """The histogram so declared, or `Undeclared`."""
        return self._of(name, Histogram)

    def _of(self, name: str, kind: type[F]) -> F:
        family = self._families.get(name)
        if family is None and name in self.declarations:
            family = self._families[name] = self._made(self.declarations[name])
        if isinstance(family, kind):
            return family
        raise Undeclared(f"no {kind.__name__.lower()} {name} in {self.service}.yaml or servicekit.yaml")

    def _made(self, declaration: Declaration) -> Counter | Gauge | Histogram:
        named = (declaration.name, declaration.help, tuple(declaration.labels))
        unit = "" if declaration.unit == "1" else declaration.unit
        match declaration.type:
            case "counter":
                metric = prometheus_client.Counter(*named, unit=unit, registry=self.registry)
                return Counter(declaration, metric)
            case "gauge":
                return Gauge(declaration, prometheus_client.Gauge(*named, unit=unit, registry=self.registry))
            case "histogram":
                bounds = declaration.buckets
                return Histogram(
                    declaration,
                    prometheus_client.Histogram(*named, unit=unit, registry=self.registry, buckets=bounds),
                )
