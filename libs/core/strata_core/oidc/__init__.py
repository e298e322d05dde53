"""Signing members in by the word of their organization's identity provider."""
