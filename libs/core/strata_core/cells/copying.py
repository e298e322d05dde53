"""An organization's points and windows from one store into another while both are written.

Whoever writes does so to the source first. So what is in the target, and is what was read of the source after the last
copy was written, stays the newest there is: see ADR 0026.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.cells.stores import CellStore
from strata_core.metrics.slices import form_of_windows
from strata_datamodel.errors import ConflictError, LimitError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import SLICE_ROWS
from strata_datamodel.metrics import FieldClass, PointBatch
from strata_datamodel.tiers import RESOLUTION_NS, Tier

HOUR_NS: Final = RESOLUTION_NS[Tier.HOUR]
_SECOND_NS: Final = 1_000_000_000
_ROUNDS: Final = 20
_ROW: Final = np.dtype([("series", np.int64), ("time", np.int64), ("value", np.float64)])


@dataclass(frozen=True, slots=True)
class Journey:
    """`kept_from_ns` is from when on the organization is promised its points, or windows. Of what is older, a store may
    let go in the midst of it."""

    organization_id: OrganizationId
    source: CellStore
    target: CellStore
    tier: Tier
    kept_from_ns: int

    def hours(self, store: CellStore, now_ns: int) -> dict[int, int]:
        """Those with something in them. Agents may be minutes ahead."""
        from_ns = self.kept_from_ns - self.kept_from_ns % HOUR_NS
        to_ns = now_ns - now_ns % HOUR_NS + 2 * HOUR_NS
        return dict(sorted(store.hours_held(self.organization_id, self.tier, from_ns, to_ns).items()))

    @property
    def whole_from_ns(self) -> int:
        return self.kept_from_ns - self.kept_from_ns % HOUR_NS + 2 * HOUR_NS


def copy_hour(journey: Journey, hour_ns: int) -> None:
    """All of it is in the target when this returns. In halves of halves, where an hour is too much at once: raises
    LimitError where even the shortest piece is."""
    narrowest_ns = _SECOND_NS if journey.tier is Tier.RAW else RESOLUTION_NS[journey.tier]
    pending = [(hour_ns, hour_ns + HOUR_NS)]
    while pending:
        from_ns, to_ns = pending.pop()
        middle_ns = from_ns + (to_ns - from_ns) // 2 // narrowest_ns * narrowest_ns
        try:
            _copy_piece(journey, from_ns, to_ns)
        except LimitError:
            if middle_ns == from_ns:
                raise
            pending += [(middle_ns, to_ns), (from_ns, middle_ns)]


def hours_that_differ(journey: Journey, now_ns: int) -> list[int]:
    """What is written meanwhile is in the source before it is in the target: so counts of the target lie between those
    of the source before and after."""
    least = journey.hours(journey.source, now_ns)
    found = journey.hours(journey.target, now_ns)
    most = journey.hours(journey.source, now_ns)
    return [
        hour
        for hour in sorted(least.keys() | found.keys() | most.keys())
        if hour >= journey.whole_from_ns and not least.get(hour, 0) <= found.get(hour, 0) <= most.get(hour, 0)
    ]


def count_everything(store: CellStore, organization_id: OrganizationId) -> int:
    windows = (store.count_windows(organization_id, tier) for tier in Tier if tier is not Tier.RAW)
    return store.count_points(organization_id) + sum(windows)


def is_emptied(store: CellStore, organization_id: OrganizationId, is_in_time: Callable[[], bool]) -> bool:
    """Nothing of the organization is in the store. `is_in_time` is asked last before it is deleted: a worker that was
    frozen must not delete what came long after it was told to."""
    if not count_everything(store, organization_id):
        return True
    if not is_in_time():
        raise StoreUnavailableError("metrics", "counting took too long to delete by it")
    store.delete_organization(organization_id)
    return not count_everything(store, organization_id)


def _copy_piece(journey: Journey, from_ns: int, to_ns: int) -> None:
    """Until what is read of the source, after the last that was written, is in the target."""
    copy = _copy_points if journey.tier is Tier.RAW else _copy_windows
    if not any(copy(journey, from_ns, to_ns) for _ in range(_ROUNDS)):
        raise StoreUnavailableError("metrics", "what is to be copied changes faster than it is copied")


def _copy_points(journey: Journey, from_ns: int, to_ns: int) -> bool:
    """Whether all were there."""
    here = journey.source.point_slice(journey.organization_id, from_ns, to_ns, SLICE_ROWS)
    there = journey.target.point_slice(journey.organization_id, from_ns, to_ns, 2 * SLICE_ROWS)
    rows = missing_rows(here, there)
    if not len(rows):
        return True
    missing = replace(
        here, series_index=here.series_index[rows], time_ns=here.time_ns[rows], values=here.values[rows], source=None
    )
    refused = journey.target.write(missing).rejected
    young = [each for each in refused if missing.time_ns[each.index] >= journey.whole_from_ns]
    if young:
        raise ConflictError(f"the new cell refuses {len(young)} points: {young[0].reason}", code="move_refused")
    return len(refused) == len(rows)


def _copy_windows(journey: Journey, from_ns: int, to_ns: int) -> bool:
    """Whether they were the same. Those that are older than the target keeps are gone from it at once."""
    here = journey.source.window_slice(journey.organization_id, journey.tier, from_ns, to_ns, SLICE_ROWS)
    there = journey.target.window_slice(journey.organization_id, journey.tier, from_ns, to_ns, SLICE_ROWS)
    if form_of_windows(here) == form_of_windows(there):
        return True
    journey.target.write_windows(here)
    return to_ns <= journey.whole_from_ns


def missing_rows(here: PointBatch, there: PointBatch) -> NDArray[np.intp]:
    """Of the points here, those that are not there with this value."""
    numbers = {key: number for number, key in enumerate(here.series)}
    words = {text: float(number) for number, text in enumerate(here.texts)}
    renumbered = np.array([numbers.get(key, -1) for key in there.series], np.int64)
    reworded = np.array([words.get(text, -1.0) for text in there.texts], np.float64)
    is_text = np.array([key.field_class is FieldClass.STRING for key in there.series], np.bool_)
    values = there.values.astype(np.float64)
    if len(values) and is_text.any():
        of_text = is_text[there.series_index]
        values[of_text] = reworded[values[of_text].astype(np.int64)]
    held = _rows(renumbered[there.series_index] if len(there) else np.empty(0, np.int64), there.time_ns, values)
    return np.flatnonzero(~np.isin(_rows(here.series_index, here.time_ns, here.values), held))


def _rows(
    series: NDArray[np.int64] | NDArray[np.int32], time_ns: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.void]:
    rows = np.empty(len(time_ns), _ROW)
    rows["series"], rows["time"], rows["value"] = series, time_ns, values + 0.0
    return rows
