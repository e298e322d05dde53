"""Which cells are read and written for an organization."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DEFAULT_CELL: Final = "default"
KIND: Final = "organization_move"
"""Of the saga that moves an organization's metrics."""

BEGIN: Final = "begin"
"""The step from which on both cells are written."""

LEASE_S: Final = 10.0
"""How long after it was read a placement may be gone by. What was written under an older one is not believed to be in
its store before the placement was read again: see ADR 0026."""

SETTLING: Final = timedelta(seconds=20)
"""So long after a placement changed nobody goes by the one before: longer than LEASE_S and the longest question."""


@dataclass(frozen=True, slots=True)
class Placement:
    """`cell` answers. What is written goes there, and to `also` too while the organization moves. `changed_at` is None
    for an organization that nobody placed."""

    cell: str = DEFAULT_CELL
    also: str | None = None
    changed_at: datetime | None = None

    @property
    def written(self) -> tuple[str, ...]:
        """The one that answers first: who copies from it to the other relies on that."""
        return (self.cell,) if self.also is None else (self.cell, self.also)

    def settles_in(self, now: datetime) -> timedelta:
        """Until everybody goes by it; zero when they do."""
        if self.changed_at is None:
            return timedelta(0)
        return max(timedelta(0), self.changed_at + SETTLING - now)
