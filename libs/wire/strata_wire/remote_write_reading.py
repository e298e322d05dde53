"""One series of a remote write body at a time, field by field: the plain way, which says what every other way has to
answer."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import SYMBOLS_PER_REQUEST
from strata_wire.label_sets import Labels, SampleError
from strata_wire.line_grammar import Fault
from strata_wire.native_histograms import NativeHistogram, read_histogram
from strata_wire.protobuf import FIXED64, LENGTH_DELIMITED, VARINT, Field, Message, signed
from strata_wire.times_kept import TimesKept

_MS_NS: Final = 1_000_000


class Form(NamedTuple):
    """Numbers of the fields in which the versions differ. The labels of version 2 are numbers of symbols."""

    series: int
    symbols: int | None
    histograms: int


VERSION_1: Final = Form(series=1, symbols=None, histograms=4)
VERSION_2: Final = Form(series=5, symbols=4, histograms=3)

_LABELS: Final = 1
_SAMPLES: Final = 2
_LABEL_NAME: Final = 1
_LABEL_VALUE: Final = 2
_SAMPLE_VALUE: Final = 1
_SAMPLE_TIME: Final = 2


class Symbols(Protocol):
    """Texts of a body that its labels refer to, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, reference: int, /) -> bytes: ...


@dataclass(slots=True)
class SentSeries:
    """`samples` are the bits of each value and its time in milliseconds. What is no histogram stands as its error."""

    labels: Labels = ()
    refused: SampleError | None = None
    samples: list[tuple[int, int]] = field(default_factory=list)
    histograms: list[NativeHistogram | SampleError] = field(default_factory=list)


def read_series(message: Message, sent: Field, form: Form, symbols: Symbols) -> SentSeries:
    """Raises InvalidError for a message that cannot be read, and so says nothing."""
    series = SentSeries()
    labels: list[tuple[bytes, bytes]] = []
    references: list[int] = []
    message.expect(sent, LENGTH_DELIMITED)
    for each in message.fields(sent.start, sent.end):
        if each.number == _LABELS and form.symbols is None:
            labels.append(_label(message, each))
        elif each.number == _LABELS:
            references.extend(message.integers(each))
        elif each.number == _SAMPLES:
            series.samples.append(_sample(message, each))
        elif each.number == form.histograms:
            series.histograms.append(_histogram(message, each))
    try:
        series.labels = labels if form.symbols is None else _looked_up(references, symbols)
    except SampleError as error:
        series.refused = error
    return series


def labels_in(raw: bytes) -> list[tuple[bytes, bytes]]:
    """Of labels that follow each other. Raises SampleError for what cannot be read, which `read_series` tells."""
    message = Message(raw)
    try:
        return [_label(message, each) for each in message.fields(0, len(raw))]
    except InvalidError as error:
        raise SampleError(error.detail) from None


def symbols_of(message: Message, form: Form) -> list[bytes]:
    """All of the body's, wherever they stand in it."""
    return [message.bytes_of(each) for each in message.fields(0, len(message.body)) if each.number == form.symbols]


def check_symbols(symbols: Symbols) -> None:
    """Raises InvalidError for symbols that cannot be meant, TooLargeError for too many."""
    if len(symbols) > SYMBOLS_PER_REQUEST:
        raise TooLargeError(
            f"the body has more than {SYMBOLS_PER_REQUEST} symbols",
            code="symbols_per_request",
            hint="send smaller batches",
        )
    if len(symbols) and symbols[0]:
        raise InvalidError("the first symbol is not the empty string", code="bad_symbols")


def time_ns(time_ms: int, kept: TimesKept) -> int:
    """Raises SampleError for a time that is not kept."""
    at_ns = time_ms * _MS_NS
    if at_ns < kept.oldest_ns:
        raise SampleError(kept.too_old(), Fault.TOO_OLD)
    if at_ns > kept.newest_ns:
        raise SampleError(kept.in_future(), Fault.IN_FUTURE)
    return at_ns


def milliseconds(kept: TimesKept) -> tuple[int, int]:
    """The oldest and the newest that are kept."""
    return -(-kept.oldest_ns // _MS_NS), kept.newest_ns // _MS_NS


def _label(message: Message, sent: Field) -> tuple[bytes, bytes]:
    name = value = b""
    message.expect(sent, LENGTH_DELIMITED)
    for each in message.fields(sent.start, sent.end):
        if each.number == _LABEL_NAME:
            name = message.bytes_of(each)
        elif each.number == _LABEL_VALUE:
            value = message.bytes_of(each)
    return name, value


def _sample(message: Message, sent: Field) -> tuple[int, int]:
    bits = time_ms = 0
    message.expect(sent, LENGTH_DELIMITED)
    for each in message.fields(sent.start, sent.end):
        if each.number == _SAMPLE_VALUE:
            message.expect(each, FIXED64)
            bits = each.bits
        elif each.number == _SAMPLE_TIME:
            message.expect(each, VARINT)
            time_ms = signed(each.bits)
    return bits, time_ms


def _histogram(message: Message, sent: Field) -> NativeHistogram | SampleError:
    message.expect(sent, LENGTH_DELIMITED)
    try:
        return read_histogram(message, sent.start, sent.end)
    except SampleError as error:
        return error


def _looked_up(references: list[int], symbols: Symbols) -> list[tuple[bytes, bytes]]:
    if len(references) % 2:
        raise SampleError("a label has a name and no value: the number of references is odd")
    known = len(symbols)
    for reference in references:
        if reference >= known:
            raise SampleError(f"a label refers to symbol {reference}, and there are {known}")
    return [(symbols[name], symbols[value]) for name, value in zip(references[::2], references[1::2], strict=True)]
