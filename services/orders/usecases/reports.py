"""Reports: how the shop stands, how business goes, and who was asked their age."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime, timedelta
from typing import Final

from servicekit.clock import Clock
from servicekit.errors import FieldViolation, InvalidArgument
from services.orders.model.figures import Business, CheckedAge, Compliance, Span
from services.orders.ports import Reports, StandingSignals

LONGEST: Final = timedelta(days=366)
USUAL: Final = timedelta(days=30)

MOST_LINES: Final = 20_000
"""Lines of one file: some 2 MB, half of what one message may have."""

HEAD: Final = ("time", "order_id", "method", "minimum_age", "minimum_age_met", "verified_by")

_CURRENCY: Final = re.compile("[A-Z]{3}")


class Reporting:
    """The reports of the shop."""

    def __init__(self, reports: Reports, signals: StandingSignals, clock: Clock) -> None:
        self._reports = reports
        self._signals = signals
        self._clock = clock

    async def take_stock(self) -> None:
        """Let others see how the shop stands."""
        self._signals.stands(await self._reports.standing(self._clock.now()))

    async def business(self, currency_code: str) -> Business:
        """How business goes, in the currency named or that of most orders."""
        if currency_code and not _CURRENCY.fullmatch(currency_code):
            fault = FieldViolation("currency_code", "must be an ISO 4217 code, such as EUR")
            raise InvalidArgument("there is no such currency", violations=[fault])
        return await self._reports.business(currency_code, self._clock.now())

    async def compliance(self, start: datetime | None, end: datetime | None) -> Compliance:
        """The age checks of a span, counted."""
        return await self._reports.compliance(self._span(start, end))

    async def compliance_file(self, start: datetime | None, end: datetime | None) -> str:
        """The age checks of a span as a CSV file (RFC 4180), oldest first."""
        checks = await self._reports.age_checks(self._span(start, end), MOST_LINES + 1)
        if len(checks) > MOST_LINES:
            fault = FieldViolation("start_time", f"begins a span of more than {MOST_LINES} checks")
            raise InvalidArgument("the file would be too long: ask for a shorter span", violations=[fault])
        return as_csv(checks)

    def _span(self, start: datetime | None, end: datetime | None) -> Span:
        end = end or self._clock.now()
        span = Span(start or end - USUAL, end)
        if not span.start < span.end <= span.start + LONGEST:
            fault = FieldViolation("start_time", f"must lie before the end, by {LONGEST.days} days at most")
            raise InvalidArgument("the span is not valid", violations=[fault])
        return span


def as_csv(checks: list[CheckedAge]) -> str:
    """A CSV file with a head. No text in it can begin a formula: ids, words of ours, numbers."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEAD)
    for check in checks:
        met = "true" if check.is_met else "false"
        writer.writerow(
            (check.at.isoformat(), check.order_id, check.method, check.minimum_age, met, check.verified_by)
        )
    return file.getvalue()
