"""Sales that tills made while they were cut off (S12)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number

BOARD: Final = Board(
    "offline",
    "Offline queue",
    "Sales that tills made while they were cut off: how many wait, and what becomes of them.",
    [
        number("Waiting", "max(offline_queue_depth)", "Sales that are stored and still to be placed."),
        number(
            "Oldest",
            "max(offline_queue_oldest_seconds)",
            "How long the first of them has waited. OfflineQueueBackedUp fires above 10 minutes.",
            unit="s",
        ),
        number(
            "Became orders, last hour",
            "offline:completed:ratio_increase1h",
            "The share of ended sales that were paid. OfflineSalesConflicting fires below 90 %.",
            unit="percentunit",
        ),
        number(
            "Pushed back, last hour",
            'sum(increase(offline_batches_total{outcome="OFFLINE_QUEUE_FULL"}[1h]))',
            "Batches that tills were told to bring again later. OfflineQueueFull fires at the first.",
        ),
        lines(
            "Depth",
            {"waiting": "max(offline_queue_depth)"},
            "It rises when tills come back and falls as their sales are placed.",
        ),
        lines(
            "Age of the oldest",
            {"oldest": "max(offline_queue_oldest_seconds)"},
            "It rises without end when nobody places sales, or one till is stuck.",
            unit="s",
        ),
        lines(
            "Sales a minute, by what became of them",
            {"{{outcome}}": "sum by (outcome) (rate(offline_sales_total[5m])) * 60"},
            "accepted, repeated and refused as they arrive; completed and conflicted as they end.",
        ),
        lines(
            "Conflicts an hour, by reason",
            {"{{reason}}": "sum by (reason) (increase(offline_conflicts_total[1h]))"},
            "Sales that could not be settled as they were made. Each is in its till's report.",
        ),
        lines(
            "Batches a minute, by outcome",
            {"{{outcome}}": "sum by (outcome) (rate(offline_batches_total[5m])) * 60"},
            "What tills were told when they sent their sales.",
        ),
    ],
)
