"""Points as line protocol."""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_core.metrics.rules import NOT_FINITE, not_finite_rows, refusal_of_series
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, PointBatch, SeriesKey
from strata_stores.influx.names import ORGANIZATION, physical_field, physical_measurement, physical_tag
from strata_stores.series_cache import SeriesCache

IN_MEASUREMENT: Final = str.maketrans({",": "\\,", " ": "\\ "})
IN_TAG_OR_KEY: Final = str.maketrans({",": "\\,", " ": "\\ ", "=": "\\="})
_IN_STRING: Final = str.maketrans({'"': '\\"', "\\": "\\\\"})
# Line protocol has no escape for the backslash. One at the end escapes the delimiter that follows it. One before a
# delimiter is lost: 1.8.10 stores the measurement `a\=b` as `a=b`, cannot delete `a\,b`, and refuses such fields (tags
# are fine). Rejecting such names beats storing others.
_AT_THE_END: Final = re.compile(r"\\$")
_BEFORE_A_DELIMITER: Final = re.compile(r"\\(?:[, =]|$)")
_BACKSLASH: Final = (
    "InfluxDB cannot hold a name that ends in a backslash or has one before a comma, space or equals sign"
)


@dataclass(frozen=True, slots=True)
class SeriesLine:
    """A line up to its field and up to its value, or why there is none."""

    head: bytes
    field: bytes
    field_class: FieldClass
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """Encoded points: `texts[i]` is row `rows[i]` of the batch, of the time `time_ns[i]`."""

    texts: list[bytes]
    rows: NDArray[np.int64]
    series_index: NDArray[np.int32]
    time_ns: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, positions: NDArray[np.int64]) -> "Lines":
        texts = [self.texts[position] for position in positions.tolist()]
        return Lines(texts, self.rows[positions], self.series_index[positions], self.time_ns[positions])

    def body(self) -> bytes:
        return b"\n".join(self.texts)


class LineEncoder:
    """Remembers how the lines of a series begin."""

    def __init__(self) -> None:
        self._cache: SeriesCache[SeriesLine] = SeriesCache()
        self._lock = threading.Lock()

    def series_lines(self, organization_id: OrganizationId, series: Sequence[SeriesKey]) -> list[SeriesLine]:
        with self._lock:
            known = self._cache.find_all(organization_id, series)
            if known is not None:
                return known
            found = self._cache.find(organization_id, series)
            return [
                line if line is not None else self._encode(organization_id, key)
                for line, key in zip(found, series, strict=True)
            ]

    def _encode(self, organization_id: OrganizationId, key: SeriesKey) -> SeriesLine:
        refusal = refusal_of_series(key) or _refusal_of_influx(key)
        line = SeriesLine(b"", b"", key.field_class, refusal)
        if refusal is None:
            line = SeriesLine(_head(organization_id, key).encode(), _field(key).encode(), key.field_class)
        self._cache.remember(organization_id, key, line)
        return line


def refused_rows(batch: PointBatch, series: Sequence[SeriesLine]) -> dict[int, str]:
    refused = dict.fromkeys(not_finite_rows(batch.values), NOT_FINITE)
    for position, line in enumerate(series):
        if line.refusal is not None:
            refused |= dict.fromkeys(np.flatnonzero(batch.series_index == position).tolist(), line.refusal)
    return refused


def encode(batch: PointBatch, series: Sequence[SeriesLine], rows: NDArray[np.int64]) -> Lines:
    series_index, time_ns = batch.series_index[rows], batch.time_ns[rows]
    lines = [
        b"%b%b%b %d" % (line.head, line.field, value_text(value, line.field_class, batch.texts).encode(), time)
        for line, value, time in zip(
            [series[index] for index in series_index.tolist()],
            batch.values[rows].tolist(),
            time_ns.tolist(),
            strict=True,
        )
    ]
    return Lines(lines, rows, series_index, time_ns)


def value_text(value: float, field_class: FieldClass, texts: Sequence[str]) -> str:
    if field_class is FieldClass.NUMBER:
        return repr(value)  # the shortest digits that read back as the same double
    if field_class is FieldClass.BOOLEAN:
        return "true" if value else "false"
    return quoted(texts[int(value)])


def quoted(text: str) -> str:
    return f'"{text.translate(_IN_STRING)}"'


def _head(organization_id: OrganizationId, key: SeriesKey) -> str:
    tags = "".join(
        f",{physical_tag(name).translate(IN_TAG_OR_KEY)}={value.translate(IN_TAG_OR_KEY)}" for name, value in key.tags
    )
    measurement = physical_measurement(key.measurement).translate(IN_MEASUREMENT)
    return f"{measurement},{ORGANIZATION}={organization_id}{tags} "


def _field(key: SeriesKey) -> str:
    return f"{physical_field(key.field, key.field_class).translate(IN_TAG_OR_KEY)}="


def _refusal_of_influx(key: SeriesKey) -> str | None:
    names = (key.measurement, key.field)
    tags = (text for tag in key.tags for text in tag)
    is_unfit = any(map(_BEFORE_A_DELIMITER.search, names)) or any(map(_AT_THE_END.search, tags))
    return _BACKSLASH if is_unfit else None
