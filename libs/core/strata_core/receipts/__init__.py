"""Proof of what was deleted for good: who asked, when, and what each store held before and after."""
