"""Tenants: what they are called, who belongs to them, and how a new one begins."""
