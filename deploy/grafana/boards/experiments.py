"""Who was shown what, and whether it worked (S28)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number

_LEGEND: Final = "{{experiment}} {{variant}}"

BOARD: Final = Board(
    "experiments",
    "Experiments",
    "Who was shown what, and whether they came back. The whole truth is stored in the orders' database.",
    [
        number(
            "Exposed, last 7 days",
            "experiments:exposures:increase7d",
            "Customers who were shown a variant for the first time.",
            legend=_LEGEND,
        ),
        number(
            "Came back, last 7 days",
            "experiments:conversions:ratio_increase7d",
            "Conversions by exposures. It lags: customers have 30 days to come back.",
            unit="percentunit",
            legend=_LEGEND,
        ),
        lines(
            "Exposures a day",
            {_LEGEND: "sum by (experiment, variant) (increase(experiment_exposures_total[1d]))"},
            "Variants keep to their weights. ExperimentSharesUneven fires when chance cannot explain it.",
        ),
        lines(
            "Conversions a day",
            {_LEGEND: "sum by (experiment, variant) (increase(experiment_conversions_total[1d]))"},
            "Customers who completed another order after what they were shown.",
        ),
    ],
)
