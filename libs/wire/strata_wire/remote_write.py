"""Prometheus remote write, versions 1 and 2, to points. A pure function of body and envelope: a replay gives the same.

The label `__name__` is the measurement, the others are tags, and the value is the field `value`.
"""

from dataclasses import dataclass
from typing import Final

from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import POINTS_PER_REQUEST, REPORTED_REJECTIONS, SERIES_PER_REQUEST
from strata_datamodel.metrics import PointBatch, Tags
from strata_datamodel.spooling import Envelope, SpoolPosition, WireFormat
from strata_wire.compiled.label_registry import LabelRegistry, SymbolRegistry
from strata_wire.compiled.sample_walk import SampleWalk, SentSymbols
from strata_wire.known_series import KnownSeries
from strata_wire.label_sets import VALUE, SampleError, identity_of, shown
from strata_wire.line_grammar import Fault
from strata_wire.native_histograms import NativeHistogram, row_of
from strata_wire.plain_points import PlainPoints
from strata_wire.protobuf import Message
from strata_wire.readings import field_series, reading_of
from strata_wire.remote_write_reading import (
    VERSION_1,
    VERSION_2,
    Form,
    SentSeries,
    Symbols,
    check_symbols,
    read_series,
    symbols_of,
    time_ns,
)
from strata_wire.times_kept import TimesKept

_FORMS: Final = {WireFormat.REMOTE_WRITE_1: VERSION_1, WireFormat.REMOTE_WRITE_2: VERSION_2}


@dataclass(frozen=True, slots=True)
class RejectedSample:
    """`labels` are those of its series, as people write them. It may stand for all samples of the series."""

    labels: str
    fault: Fault
    reason: str


@dataclass(frozen=True, slots=True)
class ParsedSamples:
    """`samples` and `histograms` are how many were taken. `rejected` holds the first of the others, `faults` counts
    all."""

    batch: PointBatch
    samples: int
    histograms: int
    rejected: tuple[RejectedSample, ...]
    faults: dict[Fault, int]

    @property
    def accepted(self) -> int:
        return self.samples + self.histograms

    @property
    def rejections(self) -> int:
        return sum(self.faults.values())


def parse_remote_write(
    body: bytes, envelope: Envelope, source: SpoolPosition | None = None, known: KnownSeries | None = None
) -> ParsedSamples:
    """Raises InvalidError for a body that is no message of its format, and TooLargeError for one of more than a request
    may carry: of such a body nothing is taken. The points are the same whatever is `known`; series that are known are
    those very objects. Without it, or before it is ready, the body is read plainly."""
    form, kept = _FORMS[envelope.wire_format], TimesKept.of(envelope)
    if known is not None and known.is_ready:
        if form.symbols is None:
            with known.of(envelope.organization_id, LabelRegistry) as labels:
                reading = _Reading(body, form, kept, (), SampleWalk(body, kept, labels))
                return reading.finished(envelope, source)
        symbols = SentSymbols(body)
        if symbols.is_plain:
            with known.of(envelope.organization_id, SymbolRegistry) as registry:
                reading = _Reading(body, form, kept, symbols, SampleWalk(body, kept, registry, symbols))
                return reading.finished(envelope, source)
    read = () if form.symbols is None else symbols_of(Message(body), form)
    return _Reading(body, form, kept, read, PlainPoints()).finished(envelope, source)


class _Reading:
    """One body on its way to points."""

    def __init__(
        self, body: bytes, form: Form, kept: TimesKept, symbols: Symbols, points: SampleWalk | PlainPoints
    ) -> None:
        check_symbols(symbols)
        self._message = Message(body)
        self._form = form
        self._kept = kept
        self._symbols = symbols
        self._points = points
        self._series = 0
        self._histograms = 0
        self._histogram_points = 0
        self._rejected: list[RejectedSample] = []
        self._faults: dict[Fault, int] = {}

    def finished(self, envelope: Envelope, source: SpoolPosition | None) -> ParsedSamples:
        self._read()
        series, columns, texts = self._points.columns()
        batch = PointBatch(
            organization_id=envelope.organization_id,
            series=series,
            series_index=columns.series,
            time_ns=columns.times,
            values=columns.values,
            texts=texts,
            source=source,
        )
        samples = len(batch) - self._histogram_points
        return ParsedSamples(batch, samples, self._histograms, tuple(self._rejected), self._faults)

    def _read(self) -> None:
        end = len(self._message.body)
        at = self._points.advance(0)
        self._check_room()
        while at < end:
            field = self._message.field_at(at, end)
            if field.number == self._form.series:
                self._series += 1
                self._take(read_series(self._message, field, self._form, self._symbols))
            at = self._points.advance(field.end)
            self._check_room()

    def _take(self, sent: SentSeries) -> None:
        count = max(1, len(sent.samples) + len(sent.histograms))
        try:
            if sent.refused is not None:
                raise sent.refused
            measurement, tags = identity_of(sent.labels)
        except SampleError as error:
            self._refuse(sent, error, count)
            return
        for bits, time_ms in sent.samples:
            try:
                at_ns, reading = time_ns(time_ms, self._kept), reading_of(bits)
            except SampleError as error:
                self._refuse(sent, error)
            else:
                self._points.take(at_ns, {field_series(measurement, tags, VALUE, reading): reading})
        for histogram in sent.histograms:
            try:
                self._take_histogram(histogram, measurement, tags)
            except SampleError as error:
                self._refuse(sent, error)

    def _take_histogram(self, histogram: NativeHistogram | SampleError, measurement: str, tags: Tags) -> None:
        if isinstance(histogram, SampleError):
            raise histogram
        at_ns = time_ns(histogram.time_ms, self._kept)
        row = row_of(histogram, measurement, tags)
        self._points.take(at_ns, row)
        self._histograms += 1
        self._histogram_points += len(row)
        self._check_room()

    def _refuse(self, sent: SentSeries, error: SampleError, count: int = 1) -> None:
        if len(self._rejected) < REPORTED_REJECTIONS:
            self._rejected.append(RejectedSample(shown(sent.labels), error.fault, str(error)))
        self._faults[error.fault] = self._faults.get(error.fault, 0) + count

    def _check_room(self) -> None:
        walked = self._points.series if isinstance(self._points, SampleWalk) else 0
        if walked + self._series > SERIES_PER_REQUEST:
            raise _too_large(f"the body has more than {SERIES_PER_REQUEST} series", "series_per_request")
        if len(self._points) + sum(self._faults.values()) > POINTS_PER_REQUEST:
            raise _too_large(f"the body has more than {POINTS_PER_REQUEST} points", "points_per_request")


def _too_large(detail: str, code: str) -> TooLargeError:
    return TooLargeError(detail, code=code, hint="send smaller batches")
