"""Searching log events: the query language, what a text's words are, and the use case around the store."""
