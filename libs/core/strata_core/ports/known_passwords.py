"""Passwords that everybody tries first."""

from typing import Protocol


class KnownPasswords(Protocol):
    """Works without a network."""

    def knows(self, password: str) -> bool:
        """Whether lists of breached and common passwords hold it, letter case aside."""
        ...
