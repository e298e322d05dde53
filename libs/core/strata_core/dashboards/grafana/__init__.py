"""Grafana's classic dashboards: read without losing what is not understood, and written with what was changed here."""
