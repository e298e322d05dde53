"""Forgetting a person, a host or a label's value in every store, with a receipt."""
