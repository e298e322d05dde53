"""The catalogue's door: new series go into it under their organization's limits."""

from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from strata_core.ports.clock import Clock
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.series.commands import register
from strata_core.series.queries import known_fingerprints
from strata_core.series.rules import fingerprint
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import PointBatch, SeriesKey
from strata_datamodel.refused_series import RefusedSeries
from strata_ingest.registered import RegisteredSeries

SERIES: Final = "series"
"""The envelope parameter that says what the edge did about new series. Without it the writer asks."""
ASKED: Final = "asked"
REFUSED: Final = "refused"
"""Some are not registered, and whoever sent them was told."""

_PER_UNIT: Final = 5_000


class SeriesGate:
    """Thread-safe. Raises as the database does."""

    def __init__(self, units: UnitsOfWork, registered: RegisteredSeries, clock: Clock) -> None:
        self._units = units
        self._registered = registered
        self._clock = clock

    def missing(self, batch: PointBatch) -> list[int]:
        """Places of series that have to be asked for."""
        return self._registered.missing(batch.organization_id, batch.series)

    def admit(
        self, organization_id: OrganizationId, keys: Sequence[SeriesKey], patience_s: float | None = None
    ) -> list[RefusedSeries]:
        """Registers those that the limits allow; the others. Raises UnavailableError when patience ends."""
        until_s = None if patience_s is None else self._clock.monotonic_s() + patience_s
        refused: list[RefusedSeries] = []
        for start in range(0, len(keys), _PER_UNIT):
            if until_s is not None and self._clock.monotonic_s() > until_s:
                raise UnavailableError("so many new series take longer", code="series_slow", retry_after_s=1)
            part = keys[start : start + _PER_UNIT]
            with self._units.organization(organization_id) as uow:
                decision = register(uow, part)
            outside = {each.series for each in decision.refused}
            self._registered.add(organization_id, [key for key in part if key not in outside])
            refused += decision.refused
        return refused

    def unregistered(self, organization_id: OrganizationId, keys: Sequence[SeriesKey]) -> set[SeriesKey]:
        """Registers nothing."""
        outside: set[SeriesKey] = set()
        for start in range(0, len(keys), _PER_UNIT):
            part = {fingerprint(key): key for key in keys[start : start + _PER_UNIT]}
            with self._units.organization(organization_id) as uow:
                known = known_fingerprints(uow, part.keys())
            self._registered.add(organization_id, [key for mark, key in part.items() if mark in known])
            outside.update(key for mark, key in part.items() if mark not in known)
        return outside


def rows_of(batch: PointBatch, places: Collection[int]) -> list[int]:
    """The rows of series at these places."""
    return [int(row) for row in np.flatnonzero(_is_among(batch, places)[batch.series_index])]


def without_series(batch: PointBatch, places: Collection[int]) -> PointBatch:
    """The same points but for those of these series."""
    is_kept = ~_is_among(batch, places)
    rows = is_kept[batch.series_index]
    numbers = (np.cumsum(is_kept) - 1).astype(np.int32)
    return PointBatch(
        organization_id=batch.organization_id,
        series=tuple(key for key, stays in zip(batch.series, is_kept.tolist(), strict=True) if stays),
        series_index=numbers[batch.series_index[rows]],
        time_ns=batch.time_ns[rows],
        values=batch.values[rows],
        texts=batch.texts,
        source=batch.source,
    )


def _is_among(batch: PointBatch, places: Collection[int]) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    is_among = np.zeros(len(batch.series), np.bool_)
    is_among[list(places)] = True
    return is_among
