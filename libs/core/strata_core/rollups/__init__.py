"""Tiers made from finer ones: how far each is, where late points reopened it, and what of it is kept."""
