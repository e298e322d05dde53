"""The newest value of each metric of a host, written behind ingest and made up for from the metric store."""
