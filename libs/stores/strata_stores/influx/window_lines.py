"""Windows as line protocol."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from strata_datamodel.metrics import FieldClass
from strata_datamodel.tiers import Tier
from strata_stores.influx.histogram_text import encoded
from strata_stores.influx.lines import IN_MEASUREMENT, IN_TAG_OR_KEY, quoted
from strata_stores.influx.names import TIER, Column, window_field
from strata_stores.influx.window_rows import Field
from strata_stores.influx.windows import Spread, Values, Windows

_BODY_CHARACTERS: Final = 4 * 1024 * 1024


def prefixes(measurement: str, tier: Tier, tags: Sequence[Mapping[str, str]]) -> list[str]:
    """How the lines of each series begin. Names and tags are InfluxDB's own, of the tier above."""
    name = measurement.translate(IN_MEASUREMENT)
    return [f"{name}{''.join(_tags(each))},{TIER}={tier.value} " for each in tags]


def window_lines(begin: Sequence[str], field: Field, windows: Windows) -> list[str]:
    """A line a window; `begin` by owner."""
    columns = [
        _named(field, Column.COUNT, map(str, windows.counts.tolist())),
        _named(field, Column.FIRST, _texts(windows.firsts, field[1])),
        _named(field, Column.FIRST_NS, map("{}i".format, windows.first_ns.tolist())),
        _named(field, Column.LAST, _texts(windows.lasts, field[1])),
        _named(field, Column.LAST_NS, map("{}i".format, windows.last_ns.tolist())),
    ]
    if windows.spread is not None:
        columns += _spread(field, windows.spread, len(windows))
    heads = [begin[owner] for owner in windows.owners.tolist()]
    fields = map(",".join, zip(*columns, strict=True))
    return list(map("{}{} {}".format, heads, fields, windows.starts.tolist()))


def bodies(lines: Iterable[str]) -> Iterator[bytes]:
    """In pieces that InfluxDB takes."""
    piece: list[str] = []
    size = 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size >= _BODY_CHARACTERS:
            yield "\n".join(piece).encode()
            piece, size = [], 0
    if piece:
        yield "\n".join(piece).encode()


def _spread(field: Field, spread: Spread, rows: int) -> list[Iterator[str]]:
    texts = [] if spread.histograms is None else encoded(spread.histograms, rows)
    return [
        _named(field, Column.SUM, _texts(spread.sums)),
        _named(field, Column.MIN, _texts(spread.minima)),
        _named(field, Column.MAX, _texts(spread.maxima)),
        _named(field, Column.RISE, _texts(spread.rises)),
        _named(field, Column.HISTOGRAM, map('"{}"'.format, texts)),
    ]


def _named(field: Field, column: Column, texts: Iterator[str]) -> Iterator[str]:
    name = window_field(*field, column).translate(IN_TAG_OR_KEY)
    return map(f"{name}=".__add__, texts)


def _texts(values: Values, field_class: FieldClass = FieldClass.NUMBER) -> Iterator[str]:
    if field_class is FieldClass.STRING:
        return map(quoted, values.tolist())
    # Sums may pass the largest double, and InfluxDB holds nothing beyond it.
    return map(repr, np.nan_to_num(values).tolist())


def _tags(tags: Mapping[str, str]) -> Iterator[str]:
    for name, value in tags.items():
        if value and name != TIER:
            yield f",{name.translate(IN_TAG_OR_KEY)}={value.translate(IN_TAG_OR_KEY)}"
