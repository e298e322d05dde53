"""Turns passwords into something that may be stored."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class PasswordVerdict:
    """`needs_rehash` is true for a match whose hash was made with weaker parameters than today's."""

    is_match: bool
    needs_rehash: bool = False


class PasswordHasher(Protocol):
    """Slow on purpose, so bounded: raises UnavailableError (code `sign_in_busy`) when too many wait already."""

    def hash(self, password: str) -> str:
        """A new text each time. It names its algorithm and parameters."""
        ...

    def verify(self, password_hash: str | None, password: str) -> PasswordVerdict:
        """Without a hash the answer is no, after as much work as a mismatch takes: the time taken must not tell
        whether an account exists. An unreadable hash is a mismatch."""
        ...

    def close(self) -> None: ...
