"""Several metric stores as one: each organization's points are in its cell, and while it moves in two."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

from strata_core.cells.knowledge import Placements
from strata_core.cells.rules import DEFAULT_CELL, Placement
from strata_core.cells.stores import CellStore, CellStores
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer, MetricQuery, PointBatch, Readings, SeriesKey, TagPair, WriteOutcome
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import Gap, RolledUp, Stretch, Tier

_STORE: Final = "metrics"
_MOST_TURNS: Final = 4
_UNDER_WAY: Final = "an organization was just placed in another cell"


class RoutedMetricStore:
    """Knows nothing of what is behind a cell but its port."""

    def __init__(self, cells: CellStores, placements: Placements) -> None:
        self._cells = cells
        self._placements = placements

    def prepare(self) -> None:
        self._each(lambda store: store.prepare())

    def write(self, batch: PointBatch) -> WriteOutcome:
        """Without the spool's position: one cell does not know which records went into another."""
        plain = replace(batch, source=None)
        for _ in range(_MOST_TURNS):
            placement = self._placements.of(batch.organization_id)
            outcomes = [self._cells.of(cell).write(plain) for cell in placement.written]
            if self._placements.is_still(batch.organization_id, placement):
                return outcomes[0]
        raise StoreUnavailableError(_STORE, _UNDER_WAY)

    def query(self, query: MetricQuery) -> MetricAnswer:
        return self._of(query.organization_id).query(query)

    def readings(
        self, organization_id: OrganizationId, series: Sequence[SeriesKey], stretches: Sequence[Stretch], limit: int
    ) -> Readings:
        return self._of(organization_id).readings(organization_id, series, stretches, limit)

    def count_points(self, organization_id: OrganizationId) -> int:
        """In all cells: what was left behind counts for a deletion."""
        return sum(store.count_points(organization_id) for store in self._stores())

    def delete_organization(self, organization_id: OrganizationId) -> None:
        self._each(lambda store: store.delete_organization(organization_id))

    def count_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> int:
        return sum(store.count_matching(organization_id, tags) for store in self._stores())

    def delete_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> None:
        self._each(lambda store: store.delete_matching(organization_id, tags))

    def committed_sequence(self, spool_id: UUID) -> int | None:
        """None: what of the spool is in is known of each cell, and not of all."""
        del spool_id
        return None

    def roll_up(
        self, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None = None
    ) -> RolledUp:
        """Of a moving organization in both cells, in the one that answers first."""
        parts: list[tuple[CellStore, Collection[OrganizationId] | None]] = [(store, None) for store in self._stores()]
        placed = {each: self._placements.of(each) for each in organization_ids or ()}
        if organization_ids is not None:
            parts = list(self._parts(placed))
        done = [store.roll_up(tier, from_ns, to_ns, some) for store, some in parts]
        if not all(self._placements.is_still(each, placement) for each, placement in placed.items()):
            raise StoreUnavailableError(_STORE, _UNDER_WAY)
        return RolledUp(sum(each.points for each in done), sum(each.windows for each in done))

    def gaps(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
        return self._of(organization_id).gaps(organization_id, tier, from_ns, to_ns)

    def keep(self, kept_ns: Mapping[Tier, int]) -> None:
        self._each(lambda store: store.keep(kept_ns))

    def expire(self, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
        for cell in self._placements.of(organization_id).written:
            self._cells.of(cell).expire(organization_id, tier, before_ns)

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return sum(store.count_windows(organization_id, tier) for store in self._stores())

    def hours_held(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> Mapping[int, int]:
        return self._of(organization_id).hours_held(organization_id, tier, from_ns, to_ns)

    def point_slice(self, organization_id: OrganizationId, from_ns: int, to_ns: int, limit: int) -> PointBatch:
        return self._of(organization_id).point_slice(organization_id, from_ns, to_ns, limit)

    def window_slice(
        self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int, limit: int
    ) -> WindowSlice:
        return self._of(organization_id).window_slice(organization_id, tier, from_ns, to_ns, limit)

    def write_windows(self, windows: WindowSlice) -> None:
        for cell in self._placements.of(windows.organization_id).written:
            self._cells.of(cell).write_windows(windows)

    def health(self) -> StoreHealth:
        """The worst of all."""
        found = healths(self._cells)
        return min(found, key=lambda health: health.is_ready)

    def close(self) -> None:
        self._each(lambda store: store.close())

    def _of(self, organization_id: OrganizationId) -> CellStore:
        return self._cells.of(self._placements.of(organization_id).cell)

    def _stores(self) -> Iterator[CellStore]:
        yield from self._cells.stores.values()

    def _parts(self, placed: Mapping[OrganizationId, Placement]) -> Iterator[tuple[CellStore, list[OrganizationId]]]:
        """Those that answer come before those that are written too."""
        for place in range(2):
            by_cell: dict[str, list[OrganizationId]] = defaultdict(list)
            for organization_id, placement in placed.items():
                for cell in placement.written[place : place + 1]:
                    by_cell[cell].append(organization_id)
            for cell, some in by_cell.items():
                yield self._cells.of(cell), some

    def _each(self, act: Callable[[CellStore], None]) -> None:
        """All of them, whichever fails: the first failure is raised when all had their turn."""
        failures: list[StoreUnavailableError] = []
        for store in self._stores():
            try:
                act(store)
            except StoreUnavailableError as error:
                failures.append(error)
        if failures:
            raise failures[0]


def healths(cells: CellStores) -> list[StoreHealth]:
    return [_named(cell, store.health()) for cell, store in cells.stores.items()]


def _named(cell: str, health: StoreHealth) -> StoreHealth:
    return replace(health, store=store_name(cell, health.store))


def store_name(cell: str, store: str = _STORE) -> str:
    """How it is told to people: the one that everybody has is just the metric store."""
    return store if cell == DEFAULT_CELL else f"{store} {cell}"
