"""Points as few lines: fields of one series of tags at one time share one, as they did when they came.

InfluxDB parses and indexes a line at a time, most of which is its tags. Columns are turned into text as columns: a
batch costs a few calls, not a few calls a point.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from strata_datamodel.metrics import FieldClass, PointBatch
from strata_stores.influx.lines import SeriesLine, value_text

_AS_NUMPY: Final = orjson.OPT_SERIALIZE_NUMPY


def joined_lines(batch: PointBatch, series: Sequence[SeriesLine], rows: NDArray[np.int64]) -> bytes:
    index, time_ns = batch.series_index[rows], batch.time_ns[rows]
    begins = _line_begins(index, time_ns, series)
    ends = np.append(begins[1:], True)
    texts = [b"\n" + line.head + line.field for line in series] + [b"," + line.field for line in series]
    at = 2 * np.arange(len(rows)) + np.cumsum(ends) - ends
    pieces = np.empty(2 * len(rows) + np.count_nonzero(ends), object)
    pieces[at] = np.array(texts, object)[index + np.where(begins, 0, len(series))]
    pieces[at + 1] = _values(batch, series, rows, index)
    pieces[at[ends] + 2] = list(map(b" ".__add__, _numbers(time_ns[ends])))
    return b"".join(pieces.tolist())[1:]


def _line_begins(
    index: NDArray[np.int32], time_ns: NDArray[np.int64], series: Sequence[SeriesLine]
) -> NDArray[np.bool_]:
    numbers: dict[bytes, int] = {}
    tags = np.array([numbers.setdefault(line.head, len(numbers)) for line in series], np.int64)[index]
    begins = np.ones(len(index), np.bool_)
    # In a line no field may stand twice. Ascending series are different ones.
    begins[1:] = (np.diff(tags) != 0) | (np.diff(time_ns) != 0) | (np.diff(index) <= 0)
    return begins


def _values(
    batch: PointBatch, series: Sequence[SeriesLine], rows: NDArray[np.int64], index: NDArray[np.int32]
) -> list[bytes]:
    values = batch.values[rows]
    texts = _numbers(values)
    is_number = np.array([line.field_class is FieldClass.NUMBER for line in series], np.bool_)
    for row in np.flatnonzero(~is_number[index]).tolist():
        texts[row] = value_text(values[row], series[index[row]].field_class, batch.texts).encode()
    return texts


def _numbers(column: NDArray[np.float64] | NDArray[np.int64]) -> list[bytes]:
    """The shortest digits that read back as the same."""
    return orjson.dumps(column, option=_AS_NUMPY)[1:-1].split(b",")
