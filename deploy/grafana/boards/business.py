"""How business goes (S5)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number, percentiles

BOARD: Final = Board(
    "business",
    "Business",
    "How business goes: orders, what they are worth, and why some fail. Synthetic orders are in none of it.",
    [
        number("Orders, last hour", "orders:completed:increase1h", "Completed orders of the last hour."),
        number(
            "Revenue, last hour",
            "orders:value_minor_units:increase1h / 100",
            "What the orders completed in the last hour were worth, before refunds, in hundredths of the "
            "smallest unit: euros and cents, but not yen.",
            legend="{{currency}}",
        ),
        number(
            "Average order, last day",
            "sum by (currency) (increase(order_value_minor_units_total[1d])) / 100 "
            '/ on () group_left () (sum(increase(orders_settled_total{outcome="completed"}[1d])) > 0)',
            "Revenue of the day by its completed orders: right for a shop of one currency.",
            legend="{{currency}}",
        ),
        number(
            "Rejected, last 10 minutes",
            "orders:rejected:ratio_increase10m",
            "The share of settled orders that were rejected. OrderFailureRateHigh fires above 25 %.",
            unit="percentunit",
        ),
        lines(
            "Orders a minute, by end",
            {"{{outcome}}": "sum by (outcome) (rate(orders_settled_total[5m])) * 60"},
            "How orders end. Completed ones should be nearly all of them.",
        ),
        lines(
            "Revenue an hour",
            {
                "{{currency}}": "sum by (currency) (rate(order_value_minor_units_total[15m])) * 3600 / 100",
                "{{currency}} refunded": "sum by (currency) "
                "(rate(order_refunded_minor_units_total[15m])) * 3600 / 100",
            },
            "At the pace of the last 15 minutes, and what went back to buyers.",
        ),
        lines(
            "Rejected, by reason",
            {"{{reason}}": "sum by (reason) (increase(orders_rejected_total[10m]))"},
            "Why orders were rejected in the last 10 minutes: the provider's words, or an age check's.",
        ),
        lines(
            "Not accepted, by reason",
            {"{{reason}}": "sum by (reason) (increase(orders_refused_total[10m]))"},
            "Nothing of these was kept. STORE_UNAVAILABLE is our fault: OrdersRefusedByUs fires above 5 %.",
        ),
        lines(
            "Time to settle",
            percentiles("order_settlement_seconds"),
            "From acceptance to the end of an order. Orders that wait for an age check are slow by nature.",
            unit="s",
        ),
        lines(
            "Called off and paid back",
            {
                "{{reason}}": "sum by (reason) (increase(orders_cancelled_total[1h]))",
                "refunds": "sum(increase(order_refunds_total[1h]))",
            },
            "Orders that were cancelled in the last hour, and refunds whose money is back.",
        ),
        lines(
            "Work waiting",
            {
                "{{state}}": 'max by (state) (outbox_jobs{job="orders"})',
                "oldest, seconds": 'max(outbox_lag_seconds{job="orders"})',
            },
            "OrdersNotSettling fires when the oldest has waited 60 s, DeadLettersWaiting at one dead.",
        ),
        lines(
            "Work done",
            {
                "{{outcome}}": 'sum by (outcome) (rate(outbox_attempts_total{job="orders"}[5m])) * 60',
                "replayed by hand": "sum(rate(dead_letters_replayed_total[5m])) * 60",
            },
            "Attempts a minute. Retried ones wait for payments; buried ones have become dead letters.",
        ),
        lines(
            "Answered before the end",
            {
                "answered open": "sum(increase(orders_answered_open_total[10m]))",
                "asked again: {{cause}}": "sum by (cause) (increase(order_payment_repeats_total[10m]))",
            },
            "Callers who were answered while their order was open, and payments that were asked for again.",
        ),
    ],
)
