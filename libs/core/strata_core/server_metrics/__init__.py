"""Servers in rows: what hosts measure and what goes wrong on them, for whoever asks in SQL."""
