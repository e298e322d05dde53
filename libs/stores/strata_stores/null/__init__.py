"""Twins of ports that may be off: they keep the contract and do nothing."""
