"""Prometheus' query language over the metrics of an organization: read, checked and evaluated in columns."""
