"""The strata command: the only place that composes the other services into one process."""
