"""Which series a process knows to be in the catalogue, so that bodies of known series cost no question."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import SeriesKey

SERIES_HELD: Final = 4_000_000
_OBJECTS: Final = 2  # of one series, held at once
_TUPLES: Final = 1_000


@dataclass(slots=True)
class _Known:
    keys: set[SeriesKey] = field(default_factory=set)
    by_id: dict[int, SeriesKey] = field(default_factory=dict)
    """The objects by their identities, each held so that no other can come to have it: parsers give the same objects
    again and again, and a look at an identity costs a hundredth of a look at a key."""

    tuples: dict[int, Sequence[SeriesKey]] = field(default_factory=dict)
    """Likewise of series that came together, all of them known."""


class RegisteredSeries:
    """Thread-safe and bounded: an organization that fills half of it begins anew, and of the others the one that was
    told of the longest ago is forgotten first. What is forgotten is asked for again."""

    def __init__(self, limit: int = SERIES_HELD) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._known: OrderedDict[OrganizationId, _Known] = OrderedDict()
        self._held = 0

    def __len__(self) -> int:
        return self._held

    def missing(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> list[int]:
        """The places of those that nobody said were registered."""
        known = self._known.get(organization_id)
        if known is None:
            return list(range(len(series)))
        by_id, tuples = known.by_id, known.tuples
        if tuples.get(id(series)) is series:
            return []
        if all(map(by_id.__contains__, map(id, series))):  # without a step of Python's for each
            if isinstance(series, tuple):
                if len(tuples) >= _TUPLES:
                    tuples = known.tuples = {}
                tuples[id(series)] = series
            return []
        others = [place for place, key in enumerate(series) if id(key) not in by_id]
        equal = [place for place in others if series[place] in known.keys]
        if equal:
            self.add(organization_id, [series[place] for place in equal])
            others = sorted(set(others).difference(equal))
        return others

    def add(self, organization_id: OrganizationId, series: Iterable[SeriesKey]) -> None:
        with self._lock:
            known = self._known.setdefault(organization_id, _Known())
            self._known.move_to_end(organization_id)
            before = len(known.keys)
            if len(known.by_id) > _OBJECTS * before:
                known.by_id = {}  # of bodies that were read plainly, whose objects never come again
            for key in series:
                known.keys.add(key)
                known.by_id[id(key)] = key
            self._held += len(known.keys) - before
            if len(known.keys) > self._limit // 2:
                self._forget(organization_id)
            while self._held > self._limit:
                self._forget(next(iter(self._known)))

    def forget(self, organization_id: OrganizationId) -> None:
        with self._lock:
            if organization_id in self._known:
                self._forget(organization_id)

    def _forget(self, organization_id: OrganizationId) -> None:
        self._held -= len(self._known.pop(organization_id).keys)
