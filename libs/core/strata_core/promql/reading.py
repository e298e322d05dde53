"""Samples of series that were found, out of the store that holds their points."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.ports.metric_readings import MetricReadings
from strata_core.promql.finding import Found
from strata_core.promql.matrix import Flags, Floats, Instants
from strata_core.promql.samples import Samples
from strata_core.promql.syntax import Matcher
from strata_datamodel.errors import LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import PROMQL_SAMPLES
from strata_datamodel.metrics import FieldClass, Readings, SeriesKey
from strata_datamodel.tiers import Stretch

_NS_PER_MS: Final = 1_000_000
_FARTHEST_MS: Final = (2**63 - 1) // _NS_PER_MS - 1
_NO_NUMBERS: Final = {"stale": np.nan, "NaN": np.nan, "+Inf": np.inf, "-Inf": -np.inf}
Columns = tuple[NDArray[np.int64], Instants, Floats, Flags]
"""Of each sample the place of its series, its time, its value, and whether it is a mark that the series ended."""


class ReadSamples:
    """Of one query, which may read so many samples and no more. What was read once is kept."""

    def __init__(
        self,
        organization_id: OrganizationId,
        store: MetricReadings,
        found: Mapping[tuple[Matcher, ...], Found],
        stretches: Callable[[int, int], Sequence[Stretch]],
    ) -> None:
        self._organization_id = organization_id
        self._store = store
        self._found = found
        self._stretches = stretches
        self._left = PROMQL_SAMPLES
        self._known: dict[tuple[tuple[Matcher, ...], int, int], Samples] = {}

    def samples(self, matchers: tuple[Matcher, ...], from_ms: int, to_ms: int) -> Samples:
        asked = (matchers, max(from_ms, -_FARTHEST_MS), min(to_ms, _FARTHEST_MS))
        if asked not in self._known:
            self._known[asked] = self._read(*asked)
        return self._known[asked]

    def _read(self, matchers: tuple[Matcher, ...], from_ms: int, to_ms: int) -> Samples:
        found = self._found[matchers]
        stretches = self._stretches(from_ms * _NS_PER_MS, (to_ms + 1) * _NS_PER_MS) if from_ms <= to_ms else ()
        parts = [self._of_class(each, found, stretches) for each in FieldClass] if stretches else []
        return _samples(found, [part for part in parts if part is not None])

    def _of_class(self, field_class: FieldClass, found: Found, stretches: Sequence[Stretch]) -> Columns | None:
        series: list[SeriesKey] = []
        places: list[int] = []
        for place, keys in enumerate(found.keys):
            for key in keys:
                if key.field_class is field_class:
                    series.append(key)
                    places.append(place)
        if not series:
            return None
        try:
            read = self._store.readings(self._organization_id, series, stretches, self._left)
        except LimitError as error:
            raise LimitError(
                f"the query reads more than {PROMQL_SAMPLES} samples", code=error.code, hint=error.hint
            ) from error
        self._left -= len(read.time_ns)
        return _columns(read, np.array(places, np.int64), is_text=field_class is FieldClass.STRING)


def _columns(read: Readings, places: NDArray[np.int64], *, is_text: bool) -> Columns:
    place, times = places[read.series_index], read.time_ns // _NS_PER_MS
    if not is_text:
        return place, times, read.values, np.zeros(len(place), np.bool_)
    meant = np.array([_NO_NUMBERS.get(text, 0.0) for text in read.texts])
    is_sample = np.array([text in _NO_NUMBERS for text in read.texts], np.bool_)
    is_mark = np.array([text == "stale" for text in read.texts], np.bool_)
    text = read.values.astype(np.int64)
    kept = is_sample[text] if len(text) else np.zeros(0, np.bool_)
    text = text[kept]
    return place[kept], times[kept], meant[text], is_mark[text]


def _samples(found: Found, parts: Sequence[Columns]) -> Samples:
    ends = np.arange(len(found.labels) + 1)
    if not parts:
        nothing = np.empty(0)
        return Samples(found.labels, np.zeros(len(ends), np.int64), nothing.astype(np.int64), nothing)
    place, times, values, stale = parts[0] if len(parts) == 1 else _mixed(parts)
    # Points may be nearer to each other than a millisecond, samples are not: the last one stands.
    doubled = (place[1:] == place[:-1]) & (times[1:] == times[:-1])
    if doubled.any():
        kept = np.append(~doubled, True)
        place, times, values, stale = place[kept], times[kept], values[kept], stale[kept]
    return Samples(found.labels, np.searchsorted(place, ends), times, values, stale if stale.any() else None)


def _mixed(parts: Sequence[Columns]) -> Columns:
    place, times, values, stale = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((times, place))
    return place[order], times[order], values[order], stale[order]
