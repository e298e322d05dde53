"""Dashboards: kept with all their versions, asked panel by panel, exchanged with Grafana."""
