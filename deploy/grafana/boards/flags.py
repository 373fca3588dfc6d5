"""What is switched on, and for how many (S27)."""

from typing import Final

from deploy.grafana.panels import Board, lines, number

BOARD: Final = Board(
    "flags",
    "Feature flags",
    "What is switched on, for how many, and whether flags can be evaluated at all.",
    [
        number(
            "Evaluations, last 10 minutes",
            "flags:evaluations:increase10m",
            "How often each flag was asked for.",
            legend="{{flag}}",
        ),
        number(
            "Failing, last 10 minutes",
            "flags:errors:ratio_increase10m",
            "The share that got the default of the code. FlagEvaluationsFailing fires above 1 %.",
            unit="percentunit",
            legend="{{flag}}",
        ),
        lines(
            "Evaluations a minute",
            {"{{flag}} {{variant}}": "sum by (flag, variant) (rate(flag_evaluations_total[5m])) * 60"},
            "By the variant that was given; none is the default of the code.",
        ),
        lines(
            "Adoption",
            {
                "{{flag}} {{variant}}": "sum by (flag, variant) (increase(flag_evaluations_total[1h])) "
                "/ on (flag) group_left () (sum by (flag) (increase(flag_evaluations_total[1h])) > 0)"
            },
            "The share of each variant in the last hour.",
            unit="percentunit",
        ),
        lines(
            "Reasons",
            {"{{flag}} {{reason}}": "sum by (flag, reason) (rate(flag_evaluations_total[5m])) * 60"},
            "Why each variant was given, in OpenFeature's words.",
        ),
    ],
)
