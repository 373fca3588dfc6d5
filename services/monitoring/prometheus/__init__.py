"""Prometheus's HTTP API over our windows: Grafana and promtool take us for a Prometheus.

Owns the paths, the shapes of answers and errors, and how many evaluations run at a
time; promises that one that takes too long ends, and that nobody else feels it.
Source: prometheus.io/docs/prometheus/latest/querying/api.
"""

from services.monitoring.prometheus.app import PrometheusApi
from services.monitoring.prometheus.evaluator import Evaluator, QuerySignals, TooBusy
from services.monitoring.prometheus.queries import Queries

__all__ = ["Evaluator", "PrometheusApi", "Queries", "QuerySignals", "TooBusy"]
