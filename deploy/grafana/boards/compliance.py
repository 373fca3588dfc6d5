"""Who was asked their age (S21)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number

BOARD: Final = Board(
    "compliance",
    "Compliance",
    "Age checks: how many, how, and how often they refuse. No birth date is known anywhere.",
    [
        number(
            "Checks, last 6 hours", "sum(compliance:age_checks:increase6h)", "Buyers whose age was looked at."
        ),
        number(
            "Refused, last 6 hours",
            "compliance:age_refusals:ratio_increase6h",
            "The share of checks that refused. AgeRefusalsUnusual fires above 30 %, AgeRefusalsAbsent "
            "below 0.1 %.",
            unit="percentunit",
        ),
        number(
            "Waiting now",
            'max(orders_open{state="AWAITING_AGE_CHECK"})',
            "Orders whose buyer is still to be looked at.",
        ),
        number(
            "Longest wait",
            'max(orders_open_oldest_seconds{state="AWAITING_AGE_CHECK"})',
            "AgeChecksWaiting fires above 15 minutes.",
            unit="s",
        ),
        lines(
            "Checks an hour, by method",
            {"{{method}}": "sum by (method) (increase(age_checks_total[1h]))"},
            "What was looked at. A shop that only ever looks at faces is asking for trouble.",
        ),
        lines(
            "Checks an hour, by outcome",
            {"{{outcome}}": "sum by (outcome) (increase(age_checks_total[1h]))"},
            "not_met ended the order as REJECTED.",
        ),
    ],
)
