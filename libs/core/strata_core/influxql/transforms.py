"""Functions from one point to the next, in the direction of the answer."""

import numpy as np

from strata_core.influxql.columns import FLOAT, INTEGER, Times, of
from strata_core.influxql.functions import Points


def transformed(name: str, points: Points, *, unit_ns: int, size: int, ascends: bool) -> Points:
    """`unit_ns` is that of derivatives and of what has elapsed, `size` that of a moving average."""
    time, values = points.time, points.column.values
    if name == "cumulative_sum":
        return Points(time, of(FLOAT, np.cumsum(values.astype(np.float64))))
    if name == "moving_average":
        return _averaged(time, values.astype(np.float64), size)
    if name == "elapsed":
        return Points(time[1:], of(INTEGER, _towards_zero(np.diff(time), unit_ns)))
    kept = np.concatenate(([True], time[1:] != time[:-1])) if len(time) else np.empty(0, np.bool_)
    time, values = time[kept], values[kept]
    is_count = points.column.kind == INTEGER
    changes = np.diff(values) if is_count else np.diff(values.astype(np.float64))
    wanted = changes >= 0 if name.startswith("non_negative") else np.ones(len(changes), np.bool_)
    if name.endswith("difference"):
        return Points(time[1:][wanted], of(INTEGER if is_count else FLOAT, changes[wanted]))
    elapsed = np.diff(time) if ascends else -np.diff(time)
    return Points(time[1:][wanted], of(FLOAT, (changes / (elapsed / unit_ns))[wanted]))


def _averaged(time: Times, values: np.ndarray, size: int) -> Points:
    if len(values) < size:
        return Points(time[:0], of(FLOAT, values[:0]))
    means = np.lib.stride_tricks.sliding_window_view(values, size).mean(axis=1)
    return Points(time[size - 1 :], of(FLOAT, means))


def _towards_zero(spans: Times, unit_ns: int) -> Times:
    return np.asarray(np.sign(spans) * (np.abs(spans) // unit_ns), np.int64)
