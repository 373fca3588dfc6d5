import math

import pytest

from launcher.plotting import number, plot, sparkline


def test_a_sparkline_is_low_where_the_values_are_and_blank_where_there_are_none() -> None:
    points = [(0.0, 1.0), (1.0, 2.0), (3.0, 8.0)]

    assert sparkline(points, 0, 4, 4) == "▁▂ █"


def test_a_line_that_stands_still_or_is_empty_is_drawn_too() -> None:
    assert sparkline([(0.0, 5.0), (1.0, 5.0)], 0, 2, 2) == "▁▁"
    assert sparkline([(0.0, math.nan)], 0, 2, 2) == "  "


def test_a_plot_has_its_scale_and_its_times() -> None:
    drawn = plot([(float(at), float(at)) for at in range(61)], 0, 60, 30).splitlines()

    assert drawn[0].startswith("60 ┤")
    assert drawn[0].endswith("█")
    assert drawn[11].startswith(" 0 ┤")
    assert len(drawn) == 14
    assert max(map(len, drawn)) == 34


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.123456, "0.1235"), (12345.6, "12,346"), (math.inf, "inf"), (1e-9, "1e-09")],
)
def test_numbers_are_for_people(value: float, text: str) -> None:
    assert number(value) == text
