"""Sealing of single values: data keys in the database, the key that wraps them outside of it."""
