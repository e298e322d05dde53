"""Roles: what they hold and inherit, who holds them, and why somebody may or may not."""
