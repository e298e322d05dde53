"""Answers that are kept for a while: how long, until what happens, and what is shown while their origin is down."""
