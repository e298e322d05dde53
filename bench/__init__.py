"""Ratio benchmarks: what Strata does per second of server CPU, over what the bare store does with the same data."""
