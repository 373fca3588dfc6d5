"""Money on its way (S9)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number, percentiles

_AUTHORIZED: Final = 'payment_money_minor_total{movement="authorized"}'

BOARD: Final = Board(
    "payments",
    "Payments",
    "Money on its way: attempts, what came of them, and how fast. Synthetic payments are in none of it.",
    [
        number(
            "Authorizations, last 10 minutes",
            "payments:authorizations:increase10m",
            "How often money was asked for.",
        ),
        number(
            "Declined, last 10 minutes",
            "payments:declined:ratio_increase10m",
            "The share of authorizations that were declined. PaymentFailureRateHigh fires above 25 %.",
            unit="percentunit",
        ),
        number(
            "Without an answer, last 10 minutes",
            "payments:unknown:ratio_increase10m",
            "The share of attempts whose outcome is not known. PaymentOutcomesUnknown fires above 5 %.",
            unit="percentunit",
        ),
        number(
            "Captured of authorized, last day",
            'sum(increase(payment_money_minor_total{movement="captured"}[1d])) / (sum(increase('
            f"{_AUTHORIZED}[1d])) > 0)",
            "Money that was held and then taken. The rest is released again, or still held.",
            unit="percentunit",
        ),
        lines(
            "Attempts a minute, by method",
            {"{{method}}": "sum by (method) (rate(payment_attempts_total[5m])) * 60"},
            "Everything that moves money: authorizations, captures, voids, refunds.",
        ),
        lines(
            "Attempts a minute, by outcome",
            {
                "{{operation}} {{outcome}}": "sum by (operation, outcome) "
                "(rate(payment_attempts_total[5m])) * 60"
            },
            "Unknown ones are asked for again until they have an outcome.",
        ),
        lines(
            "Success, by method",
            {
                "{{method}}": 'sum by (method) (payments:attempts:increase10m{operation="authorize", '
                'outcome="succeeded"}) '
                '/ (sum by (method) (payments:attempts:increase10m{operation="authorize"}) > 0)'
            },
            "The share of authorizations that succeeded in the last 10 minutes.",
            unit="percentunit",
        ),
        lines(
            "Declined, by reason",
            {"{{method}} {{reason}}": "sum by (method, reason) (increase(payment_declines_total[10m]))"},
            "In the provider's words, or ours for gift cards. One reason for all means us or the provider.",
        ),
        lines(
            "Money an hour",
            {
                "{{movement}} {{currency}}": "sum by (movement, currency) "
                "(rate(payment_money_minor_total[15m])) * 3600 / 100"
            },
            "Authorized against captured, released and refunded, in hundredths of the smallest unit.",
        ),
        lines(
            "Time of an attempt",
            percentiles("payment_attempt_seconds"),
            "How long the provider takes. PaymentsSlow fires when one in twenty takes more than 2.5 s.",
            unit="s",
        ),
        lines(
            "Events of the provider",
            {"{{outcome}}": "sum by (outcome) (increase(payment_provider_events_total[10m]))"},
            "Webhooks. Known ones are repeats, and harmless. An invalid signature is a forgery, or our "
            "secret is wrong.",
        ),
    ],
)
