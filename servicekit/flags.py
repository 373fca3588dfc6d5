"""Feature flags, through OpenFeature: from a flagd file, or from a flagd that serves such files.

Flags are evaluated in this process, without I/O, so whoever asks never waits. A flag
that cannot be evaluated has its default, and is counted as an error. A file that is
changed while the process runs is read again; one that is broken by then changes
nothing. Synthetic traffic gets its flags, and is not counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias

from openfeature import api
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from openfeature.flag_evaluation import FlagEvaluationDetails
from pydantic import AfterValidator, BaseModel, Field

from servicekit.clock import uuid7
from servicekit.context import current
from servicekit.instruments import Instruments

FLAGS: Final = Path(__file__).parent.parent / "observability" / "flags" / "flags.json"
"""Beside the packages in the repository, and beside them in an installed wheel too."""

_LOOK_MILLISECONDS: Final = 2_000
"""How often a file is looked at; for flagd, how long the first flags are waited for."""


def _sound(file: Path) -> Path:
    """The file, or a `ValueError` that names every fault of its flags."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as fault:
        raise ValueError(f"{file}: {fault.strerror}") from None
    except ValueError as fault:
        raise ValueError(f"{file}: {fault}") from None
    if faults := [f"{file}: {fault}" for fault in faults_of(document)]:
        raise ValueError("; ".join(faults))
    return file


FlagFile: TypeAlias = Annotated[Path, AfterValidator(_sound), Field(validate_default=True)]


class FlagSettings(BaseModel):
    """Mixed into the settings of a service that has flags."""

    flags_file: FlagFile = FLAGS
    """Where the flags stand, in flagd's own form."""

    flagd_target: Annotated[str, Field(pattern=r"^$|^[\w.-]+:\d{1,5}$")] = ""
    """`host:port` of a flagd that gives the flags instead of the file; empty asks nobody."""


class Flags:
    """The flags of one process, made by `open_flags`.

    Args:
        provider: What evaluates them.
        instruments: Where evaluations are counted.
        is_at_hand: Whether the flags are there at once; others are awaited in the background.
    """

    def __init__(self, provider: FlagdProvider, instruments: Instruments, *, is_at_hand: bool) -> None:
        self._provider = provider
        self._evaluations = instruments.counter("flag_evaluations_total")
        # OpenFeature keeps its providers process-wide; a domain of our own keeps this one ours.
        domain = uuid7()
        keep = api.set_provider_and_wait if is_at_hand else api.set_provider
        keep(provider, domain)
        self._client = api.get_client(domain)

    def is_on(self, flag: str, customer: str) -> bool:
        """Whether the flag is on for this customer; off if it cannot be evaluated."""
        details = self._client.get_boolean_details(flag, False, _of(customer))  # noqa: FBT003 - OpenFeature's
        self._count(details)
        return details.value

    def variant(self, flag: str, customer: str, default: str) -> str:
        """The variant that this customer has, the same each time; `default` if it cannot be evaluated."""
        details = self._client.get_string_details(flag, default, _of(customer))
        self._count(details)
        return details.value

    def close(self) -> None:
        """Stop following the source of the flags."""
        self._provider.shutdown()

    def _count(self, details: FlagEvaluationDetails[Any]) -> None:
        if current().synthetic:
            return
        reason = "unknown" if details.reason is None else str(details.reason).lower()
        variant = details.variant or "none"
        self._evaluations.labels(flag=details.flag_key, variant=variant, reason=reason).inc()


def open_flags(settings: FlagSettings, instruments: Instruments) -> Flags:
    """The flags that the settings name: there at once from a file, as soon as it answers from flagd."""
    return Flags(_provider(settings), instruments, is_at_hand=not settings.flagd_target)


def faults_of(document: Any) -> Iterator[str]:  # noqa: ANN401 - as JSON gave it
    """What is wrong with a flagd document: nothing is taken on trust that would only show when asked."""
    try:
        FlagdCore().set_flags(json.dumps(document))
    except (OpenFeatureError, AttributeError) as fault:
        yield getattr(fault, "error_message", "") or "is not in the form of flagd"
        return
    for name, flag in document.get("flags", {}).items():
        yield from (f"{name}: {fault}" for fault in _faults_of_flag(flag))


def _faults_of_flag(flag: Mapping[str, Any]) -> Iterator[str]:
    default, variants = flag.get("defaultVariant"), flag["variants"]
    if default not in variants:
        yield f"defaultVariant {default!r} is none of its variants"
    if len({type(value) for value in variants.values()}) > 1:
        yield "its variants are not of one type"


def _of(customer: str) -> EvaluationContext:
    return EvaluationContext(targeting_key=customer)


def _provider(settings: FlagSettings) -> FlagdProvider:
    if not settings.flagd_target:
        return FlagdProvider(
            resolver_type=ResolverType.FILE,
            offline_flag_source_path=str(settings.flags_file),
            deadline_ms=_LOOK_MILLISECONDS,
        )
    host, _, port = settings.flagd_target.rpartition(":")
    return FlagdProvider(
        host, int(port), tls=False, resolver_type=ResolverType.IN_PROCESS, deadline_ms=_LOOK_MILLISECONDS
    )
