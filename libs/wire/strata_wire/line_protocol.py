"""InfluxDB line protocol to points. A pure function of the body and its envelope: a replay gives the same points.

Every number becomes a float, so integers beyond 2^53 lose their last digits. A line is taken whole or not at all.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import LINES_PER_REQUEST, POINTS_PER_REQUEST, REPORTED_REJECTIONS
from strata_datamodel.metrics import PointBatch, Tags
from strata_datamodel.spooling import Envelope, SpoolPosition
from strata_wire.compiled.line_walk import LineWalk
from strata_wire.compiled.registry import Registry
from strata_wire.known_series import KnownSeries
from strata_wire.line_grammar import Fault, LineError
from strata_wire.line_reading import RejectedLine, Times, line_at, rejected_line, row_of
from strata_wire.plain_points import PlainPoints

__all__ = ["Fault", "ParsedLines", "RejectedLine", "parse_lines"]

_NEWLINE: Final = 10


@dataclass(frozen=True, slots=True)
class ParsedLines:
    """Every line that is neither empty nor a comment is accepted or rejected. `rejected` holds the first of them,
    `faults` counts all."""

    batch: PointBatch
    accepted: int
    rejected: tuple[RejectedLine, ...]
    faults: dict[Fault, int]

    @property
    def rejections(self) -> int:
        return sum(self.faults.values())


def parse_lines(
    body: bytes, envelope: Envelope, source: SpoolPosition | None = None, known: KnownSeries | None = None
) -> ParsedLines:
    """Raises TooLargeError for a body with more lines or points than a request may carry. The points are the same
    whatever is `known`; series that are known are those very objects. Without it, or before
    it is ready, the body is read plainly."""
    if np.count_nonzero(np.frombuffer(body, np.uint8) == _NEWLINE) > LINES_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {LINES_PER_REQUEST} lines", code="lines_per_request", hint="send smaller batches"
        )
    times = Times.of(envelope)
    if known is None or not known.is_ready:
        return _read(body, envelope, source, times, PlainPoints())
    with known.of(envelope.organization_id, Registry) as registry:
        return _read(body, envelope, source, times, LineWalk(body, times, registry))


def _read(
    body: bytes, envelope: Envelope, source: SpoolPosition | None, times: Times, points: LineWalk | PlainPoints
) -> ParsedLines:
    keys: dict[bytes, tuple[str, Tags]] = {}
    rejected: list[RejectedLine] = []
    faults: dict[Fault, int] = {}
    counted, number = 0, 1
    at = points.advance(0)
    while (line := line_at(body, at)) is not None:
        try:
            points.take(*row_of(line, times, keys))
        except LineError as error:
            if len(rejected) < REPORTED_REJECTIONS:
                number += body.count(b"\n", counted, line.start)
                counted = line.start
                rejected.append(rejected_line(body, line, number, error))
            faults[error.fault] = faults.get(error.fault, 0) + 1
        _check_room(points)
        at = points.advance(line.end + 1)
    _check_room(points)
    series, columns, texts = points.columns()
    batch = PointBatch(
        organization_id=envelope.organization_id,
        series=series,
        series_index=columns.series,
        time_ns=columns.times,
        values=columns.values,
        texts=texts,
        source=source,
    )
    return ParsedLines(batch, points.rows, tuple(rejected), faults)


def _check_room(points: LineWalk | PlainPoints) -> None:
    if len(points) > POINTS_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {POINTS_PER_REQUEST} points",
            code="points_per_request",
            hint="send smaller batches",
        )
