"""Service accounts: what programs act as, with keys and roles of their own."""
