"""Values that Prometheus sends and no store holds as numbers: they are kept as texts, in the field's string class."""

import math
from typing import Final

from strata_datamodel.metrics import FieldClass, SeriesKey, Tags
from strata_wire.protobuf import double_of

STALE_BITS: Final = 0x7FF0_0000_0000_0002
STALE: Final = "stale"
NOT_A_NUMBER: Final = "NaN"
INFINITE: Final = "+Inf"
NEGATIVE_INFINITE: Final = "-Inf"
WORDS: Final = (STALE, NOT_A_NUMBER, INFINITE, NEGATIVE_INFINITE)


def reading_of(bits: int) -> float | str:
    """What the bits of a double say. Of all that are not numbers, one means that the series ended."""
    if bits == STALE_BITS:
        return STALE
    value = double_of(bits)
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return NOT_A_NUMBER
    return INFINITE if value > 0 else NEGATIVE_INFINITE


def field_series(measurement: str, tags: Tags, field: str, reading: float | str) -> SeriesKey:
    field_class = FieldClass.STRING if isinstance(reading, str) else FieldClass.NUMBER
    return SeriesKey(measurement, tags, field, field_class)
