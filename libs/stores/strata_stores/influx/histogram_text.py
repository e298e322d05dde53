"""Histograms as strings, which is all InfluxDB can hold of them: five characters a bucket, and none apart."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strata_stores.influx.windows import Histograms

_DIGITS: Final = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", np.uint8)
_ZERO: Final = 2**17  # three digits tell 2**18 buckets, of both signs
_MOST: Final = 2**12 - 1  # what two digits count; of more there are several
_WIDTH: Final = 5
_NUMBER_OF: Final = np.zeros(256, np.int64)
_NUMBER_OF[_DIGITS] = np.arange(64)


def encoded(histograms: Histograms, rows: int) -> list[str]:
    """The text of each row."""
    pieces = -(-histograms.counts // _MOST)
    buckets = np.repeat(histograms.buckets + _ZERO, pieces)
    counts = np.full(len(buckets), _MOST, np.int64)
    if len(counts):
        counts[np.cumsum(pieces) - 1] = histograms.counts - (pieces - 1) * _MOST
    digits = (buckets >> 12, buckets >> 6, buckets, counts >> 6, counts)
    text = _DIGITS[np.stack(digits, axis=1) & 63].tobytes().decode()
    ends = np.cumsum(np.bincount(np.repeat(histograms.rows, pieces), minlength=rows)) * _WIDTH
    starts = np.concatenate(([0], ends[:-1])) if rows else ends
    return [text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def decoded(texts: Sequence[str]) -> Histograms:
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) // _WIDTH
    digits = _NUMBER_OF[np.frombuffer("".join(texts).encode(), np.uint8)].reshape(-1, _WIDTH)
    buckets = (digits[:, 0] << 12) + (digits[:, 1] << 6) + digits[:, 2] - _ZERO
    rows: NDArray[np.int64] = np.repeat(np.arange(len(texts)), lengths)
    return Histograms(rows, buckets, (digits[:, 3] << 6) + digits[:, 4])
