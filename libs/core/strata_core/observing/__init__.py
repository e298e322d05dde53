"""How Strata watches itself: its logs and its metrics."""
