"""Grafana's dashboards, written with its own SDK. `python -m deploy.grafana` remakes the committed JSON."""
