"""Metrics: points in, answers out."""
