"""The few kinds of panel that our dashboards are made of.

Every panel says in its description what it tells and when to worry. Windows are
written out, such as `[5m]`, not `$__rate_interval`: the same expression is then valid
in a rule, in Prometheus and in our own engine, and a test can read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as common_models
from grafana_foundation_sdk.models import dashboard as models

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
"""Chosen at the top of each dashboard: Prometheus, or the monitoring service, which speaks its language."""

NUMBER_WIDTH: Final = 6
LINES_WIDTH: Final = 12

Panel = stat.Panel | timeseries.Panel


@dataclass(frozen=True)
class Board:
    """One dashboard.

    Attributes:
        name: Of its file, and of its address in Grafana.
        purpose: What question it answers.
    """

    name: str
    title: str
    purpose: str
    panels: Sequence[Panel]

    def build(self) -> models.Dashboard:
        """The dashboard as Grafana has it."""
        board = (
            dashboard.Dashboard(f"Tillmesh: {self.title}")
            .uid(f"tillmesh-{self.name}")
            .description(self.purpose)
            .tags(["tillmesh"])
            .readonly()
            .timezone("browser")
            .time("now-6h", "now")
            .refresh("10s")
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
            .link(
                dashboard.DashboardLink("Tillmesh")
                .type(models.DashboardLinkType.DASHBOARDS)
                .tags(["tillmesh"])
                .as_dropdown(as_dropdown=True)
                .keep_time(keep_time=True)
            )
        )
        for place, panel in enumerate(self.panels, 1):
            board.with_panel(panel.id(place))
        return board.build()


def number(title: str, expr: str, description: str, *, unit: str = "short", legend: str = "") -> stat.Panel:
    """One figure as it is now, for each series that the expression has."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .no_value("none")
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(common_models.BigValueColorMode.NONE)
        .span(NUMBER_WIDTH)
        .height(4)
        .with_target(_query(expr, legend, "A").instant())
    )


def lines(
    title: str, queries: Mapping[str, str], description: str, *, unit: str = "short"
) -> timeseries.Panel:
    """Figures over time: legends (`{{label}}` for a label's value) to expressions."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .show_legend(show_legend=True)
            .placement(common_models.LegendPlacement.BOTTOM)
        )
        .span(LINES_WIDTH)
        .height(8)
    )
    for index, (legend, expr) in enumerate(queries.items()):
        panel.with_target(_query(expr, legend, chr(ord("A") + index)).range())
    return panel


def percentiles(metric: str, labels: str = "") -> dict[str, str]:
    """Median, 95th and 99th percentile of a histogram over 5 minutes."""
    rate = f"sum by (le) (rate({metric}_bucket{labels}[5m]))"
    return {
        name: f"histogram_quantile({share}, {rate})"
        for name, share in (("median", 0.5), ("95 %", 0.95), ("99 %", 0.99))
    }


def _query(expr: str, legend: str, ref_id: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref_id).datasource(SOURCE)
