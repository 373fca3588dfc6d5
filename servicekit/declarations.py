"""What a process may emit, read from `observability/telemetry/*.yaml`.

A declaration that cannot become an instrument, or that would be named or labelled
against the rules, is refused when it is read, with the file and the metric named
and every fault listed.
"""

import itertools
import math
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

TELEMETRY = Path(__file__).parent.parent / "observability" / "telemetry"
"""Beside the packages in the repository, and beside them in an installed wheel too."""

OTHER = "other"
"""The value that stands for those a label has no room for."""

_RESERVED_LABELS = frozenset({"le", "job", "instance", OTHER})
_RESERVED_SUFFIXES = ("_bucket", "_sum", "_count", "_created", "_info")
"""Endings that Prometheus gives to the series of one metric."""


class BadDeclaration(Exception):
    """A file of declarations is wrong; one line for each fault, naming file and metric."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class Bounded(BaseModel):
    """A label whose values are not known beforehand: the first `bounded` keep their names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bounded: Annotated[int, Field(ge=1, le=10_000)]


ClosedSet: TypeAlias = Annotated[tuple[str, ...], Field(min_length=1, strict=False)]
LabelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Declaration(BaseModel):
    """One metric, as its file declares it. The file `servicekit.yaml` explains each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    type: Literal["counter", "gauge", "histogram"]
    unit: Annotated[str, Field(pattern=r"^(1|[a-z]+)$")]
    help: Annotated[str, Field(min_length=1)]
    user: Annotated[str, Field(min_length=1)]
    labels: dict[LabelName, ClosedSet | Bounded] = {}
    buckets: Annotated[tuple[float, ...], Field(strict=False)] = ()

    @property
    def is_closed(self) -> bool:
        """True when every label set is known beforehand; so it is without labels."""
        return not any(isinstance(values, Bounded) for values in self.labels.values())

    def label_sets(self) -> Iterator[dict[str, str]]:
        """Every label set of a metric that `is_closed`."""
        closed = [values for values in self.labels.values() if not isinstance(values, Bounded)]
        for values in itertools.product(*closed):
            yield dict(zip(self.labels, values, strict=True))

    @model_validator(mode="after")
    def _keeps_the_rules(self) -> Self:
        faults = [*self._naming_faults(), *self._label_faults(), *self._bucket_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _naming_faults(self) -> Iterator[str]:
        if (self.type == "counter") != self.name.endswith("_total"):
            yield "counters, and nothing else, end in _total"
        if self.unit != "1" and not self.name.removesuffix("_total").endswith(f"_{self.unit}"):
            yield f"the name must end in its unit, {self.unit}"
        if self.name.removesuffix("_total").endswith(_RESERVED_SUFFIXES) and self.type != "counter":
            yield f"the name ends as a series of another metric would: {', '.join(_RESERVED_SUFFIXES)}"

    def _label_faults(self) -> Iterator[str]:
        for label, values in self.labels.items():
            if label in _RESERVED_LABELS:
                yield f"the label {label} is reserved"
            if not isinstance(values, Bounded) and len(set(values)) < len(values):
                yield f"the label {label} lists a value twice"

    def _bucket_faults(self) -> Iterator[str]:
        if (self.type == "histogram") != bool(self.buckets):
            yield "histograms, and nothing else, have buckets"
        if not all(map(math.isfinite, self.buckets)):
            yield "buckets are finite: the one without end is added by itself"
        if any(low >= high for low, high in itertools.pairwise(self.buckets)):
            yield "buckets rise"


def declared(service: str, folder: Path = TELEMETRY) -> dict[str, Declaration]:
    """What `service` may emit by name: its own file, if it has one, and what every process emits.

    Raises:
        BadDeclaration: A file is wrong, or a name is declared twice.
    """
    files = dict.fromkeys([folder / "servicekit.yaml", folder / f"{service}.yaml"])
    declarations = [one for file in files if file.exists() for one in read(file)]
    repeated = [name for name, times in Tally(one.name for one in declarations).items() if times > 1]
    if repeated:
        raise BadDeclaration(f"{service}.yaml: {name}: is declared twice" for name in repeated)
    return {one.name: one for one in declarations}


def read(file: Path) -> list[Declaration]:
    """The declarations of one file, in its order; raises `BadDeclaration`."""
    try:
        document = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise BadDeclaration([f"{file.name}: {error}"]) from None
    if not isinstance(document, Mapping) or set(document) != {"metrics"}:
        raise BadDeclaration([f"{file.name}: must hold one key, metrics"])
    faults: list[str] = []
    declarations = [_one(entry, file.name, faults) for entry in document["metrics"] or []]
    if faults:
        raise BadDeclaration(faults)
    return [one for one in declarations if one]


def _one(entry: Any, file: str, faults: list[str]) -> Declaration | None:  # noqa: ANN401 - as YAML gave it
    try:
        return Declaration.model_validate(entry)
    except ValidationError as error:
        name = entry.get("name", "?") if isinstance(entry, Mapping) else "?"
        faults.extend(f"{file}: {name}: {fault}" for fault in _wordings(error))
        return None


def _wordings(error: ValidationError) -> Iterator[str]:
    for fault in error.errors(include_url=False, include_context=False):
        place = ".".join(map(str, fault["loc"]))
        message = fault["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
