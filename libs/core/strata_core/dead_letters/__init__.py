"""Telemetry that a store refused for good: kept with its reason, to be looked at, replayed or dropped."""
