"""Bytes to columns and back. Pure functions, no I/O."""
