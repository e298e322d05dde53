"""What the writer does about series that are not in the catalogue: the authority, where the edge was only early."""

from collections.abc import Sequence
from dataclasses import replace

from prometheus_client import Counter

from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import PointBatch, Rejection, SeriesKey
from strata_ingest.arrivals import Arrival, by_organization
from strata_ingest.burying import buried_batches, bury_points
from strata_ingest.series_gate import REFUSED, SERIES, SeriesGate, rows_of, without_series


class SeriesAdmitting:
    def __init__(self, gate: SeriesGate, units: UnitsOfWork, *, store: str, refused: Counter) -> None:
        self._gate = gate
        self._units = units
        self._store = store
        self._refused = refused

    def admitted(
        self, arrivals: Sequence[Arrival[PointBatch]], committed: int
    ) -> tuple[list[Arrival[PointBatch]], int]:
        """The arrivals with only what may be written, and how many points went to the dead letters. Of sequences up to
        `committed` it was decided before. Raises as the database does, and may then be called again."""
        fresh = [arrival for arrival in arrivals if arrival.sequence > committed]
        missing = {arrival.sequence: places for arrival in fresh if (places := self._missing(arrival))}
        if not missing:
            return list(arrivals), 0
        changed: dict[int, Arrival[PointBatch]] = {}
        buried = 0
        for organization_id, group in by_organization([each for each in fresh if each.sequence in missing]).items():
            outside = self._outside(organization_id, group, missing)
            for arrival in group:
                places = [place for place in missing[arrival.sequence] if arrival.batch.series[place] in outside]
                if places:
                    buried += self._set_aside(arrival, places, outside)
                    kept = without_series(arrival.batch, places)
                    changed[arrival.sequence] = replace(arrival, batch=kept, size=len(kept))
        return [changed.get(arrival.sequence, arrival) for arrival in arrivals], buried

    def _missing(self, arrival: Arrival[PointBatch]) -> list[int]:
        was_judged = arrival.was_handed and SERIES in arrival.record.envelope.parameters
        return [] if was_judged else self._gate.missing(arrival.batch)

    def _outside(
        self, organization_id: OrganizationId, group: Sequence[Arrival[PointBatch]], missing: dict[int, list[int]]
    ) -> dict[SeriesKey, str]:
        """Series of these that are not written, with the reason."""

        def keys(arrivals: Sequence[Arrival[PointBatch]]) -> list[SeriesKey]:
            return list(
                dict.fromkeys(each.batch.series[place] for each in arrivals for place in missing[each.sequence])
            )

        told = [arrival for arrival in group if _was_told(arrival)]
        asking = keys([arrival for arrival in group if not _was_told(arrival)])
        outside = {each.series: each.reason for each in self._gate.admit(organization_id, asking)}
        for key in self._gate.unregistered(organization_id, keys(told)):
            outside.setdefault(key, "was refused when it was sent")
        return outside

    def _set_aside(self, arrival: Arrival[PointBatch], places: Sequence[int], outside: dict[SeriesKey, str]) -> int:
        """How many went to the dead letters: none of those whose sender was told."""
        batch, envelope = arrival.batch, arrival.record.envelope
        rows = rows_of(batch, places)
        self._refused.inc(len(rows))
        if _was_told(arrival) or buried_batches(self._units, batch.organization_id, [envelope.batch_id]):
            return 0
        rejected = [Rejection(row, outside[batch.series[batch.series_index[row]]]) for row in rows]
        bury_points(self._units, self._store, batch, envelope, rejected)
        return len(rows)


def _was_told(arrival: Arrival[PointBatch]) -> bool:
    return arrival.record.envelope.parameters.get(SERIES) == REFUSED
