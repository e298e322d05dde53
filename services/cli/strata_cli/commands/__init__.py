"""Groups of the `strata` command that are too many for one file: what can be said, and nothing of how it is done."""
