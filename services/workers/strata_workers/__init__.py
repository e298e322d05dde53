"""Outbox relay, jobs, and the loops that evaluate and heal."""
