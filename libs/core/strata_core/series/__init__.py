"""The catalogue of metric series."""
