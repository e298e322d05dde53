"""Metrics in InfluxDB, or in whatever speaks its write API and InfluxQL."""
