"""Which trace the code that runs now belongs to, sampled or not.

A sampled request has spans. An unsampled one has none, but it has a trace id all
the same, carried in its `traceparent`: logs, reports and downstream calls name it.
"""

import re
from dataclasses import dataclass

from opentelemetry import trace

from servicekit import context

_WELL_FORMED = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").match
"""W3C Trace Context, section 3.2; later versions may add parts at the end."""


@dataclass(frozen=True, slots=True)
class TracePlace:
    """A place in a trace, in lower-case hexadecimal; empty where there is no trace."""

    trace_id: str = ""
    span_id: str = ""
    flags: str = "00"

    @property
    def traceparent(self) -> str:
        """As W3C Trace Context writes it; empty where there is no trace."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}" if self.trace_id else ""


NOWHERE = TracePlace()


def trace_place() -> TracePlace:
    """Where the running code is: in its span, else where its request's `traceparent` says."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        return TracePlace(f"{span.trace_id:032x}", f"{span.span_id:016x}", f"{span.trace_flags:02x}")
    found = _WELL_FORMED(context.current().traceparent)
    return NOWHERE if found is None else TracePlace(*found.groups())
