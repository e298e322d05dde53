"""Metrics in one process: DuckDB."""
