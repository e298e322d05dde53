"""The metric stores of an installation, by their cells' names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from strata_core.cells.rules import DEFAULT_CELL
from strata_core.ports.metric_readings import MetricReadings
from strata_core.ports.metric_slices import MetricSlices
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.metric_tiers import MetricTiers
from strata_datamodel.errors import InvalidError, StoreUnavailableError


class CellStore(MetricStore, MetricTiers, MetricReadings, MetricSlices, Protocol):
    """All that a metric store does."""


@dataclass(frozen=True, slots=True)
class CellStores:
    """`for_new` is where new organizations go."""

    stores: Mapping[str, CellStore] = field(default_factory=dict)
    for_new: str = DEFAULT_CELL

    def of(self, cell: str) -> CellStore:
        """Raises StoreUnavailableError: a process may have been started with settings that lack a cell."""
        store = self.stores.get(cell)
        if store is None:
            raise StoreUnavailableError("metrics", f"the cell {cell} is not among this process's STRATA_CELLS")
        return store

    def committed_sequence(self, spool_id: UUID) -> int | None:
        """For reports: the newest that any store tells. Where there are several no more is written down, and what one
        of them knew before goes on being told: it did not lose it."""
        told = (store.committed_sequence(spool_id) for store in self.stores.values())
        return max((sequence for sequence in told if sequence is not None), default=None)


def require_cell(known: Mapping[str, object], cell: str) -> None:
    if cell not in known:
        raise InvalidError(
            f"there is no cell {cell}", code="unknown_cell", hint=f"STRATA_CELLS has {', '.join(sorted(known))}"
        )
