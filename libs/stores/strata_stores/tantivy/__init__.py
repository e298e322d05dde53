"""Logs on one machine: a tantivy index a day, in a directory of its own."""
