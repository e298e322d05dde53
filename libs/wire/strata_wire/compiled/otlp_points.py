"""Data points of OTLP metrics: numbers and histograms with explicit bounds."""

from typing import Final

import numpy as np

from strata_wire.compiled.machine import (
    byte_at,
    compiled,
    double_of_bits,
    int_at,
    long_at,
    put_double,
    put_int,
    put_long,
    signed,
    word_at,
)
from strata_wire.compiled.numbered_series import place_in_body
from strata_wire.compiled.octets import LENGTHS, OFFSETS, find, hash_of, same_bytes
from strata_wire.compiled.otlp_layout import (
    ARENA,
    ATTRIBUTES,
    ATTRIBUTES_SERIES,
    BASE,
    BODY_MARK,
    BOUNDS_AT,
    BOUNDS_END,
    BUCKETS,
    BUCKETS_SERIES,
    COUNTS_AT,
    COUNTS_END,
    DONE,
    END,
    FOLLOWING,
    FULL,
    HAS_BUCKETS,
    HAS_MAX,
    HAS_MIN,
    HAS_SUM,
    HASH,
    HEAD,
    HEAD_FIRST,
    LAST_ATTRIBUTES,
    LAST_BUCKETS,
    LONGS,
    MEMBERS,
    NEW_ATTRIBUTES,
    NEW_BUCKETS,
    NEWEST_NS,
    NUMBERED,
    ODD_POINT,
    OLDEST_NS,
    OUT_ROOM,
    OUT_SERIES,
    OUT_TIMES,
    OUT_VALUES,
    OWNER,
    POINT_ATTRIBUTES,
    POINT_FLAGS,
    POINTS,
    PRESENCES,
    PRESENT,
    RECEIVED_NS,
    START,
    TAKEN,
    USED,
    VALUE_FIELD,
)
from strata_wire.compiled.protobuf import ODD, past_field, span_at, varint_at

_LONG: Final = 9  # a tag and eight bytes
_LONG_TAG: Final = 1
_LONG_MASK: Final = 0x87
_NO_TIME: Final = -1
_TOTALS: Final = 4

_NUMBER_ATTRIBUTES: Final = 0x3A
_NUMBER_FLAGS: Final = 0x40
_HISTOGRAM_ATTRIBUTES: Final = 0x4A
_HISTOGRAM_FLAGS: Final = 0x50
_BUCKET_COUNTS: Final = 0x32
_EXPLICIT_BOUNDS: Final = 0x3A

# Numbers of fields that take eight bytes.
_TIME: Final = 3
_DOUBLE: Final = 4
_INTEGER: Final = 6
_COUNT: Final = 4
_SUM: Final = 5
_ONE_BUCKET_COUNT: Final = 6
_ONE_EXPLICIT_BOUND: Final = 7
_MIN: Final = 11
_MAX: Final = 12


@compiled
def note_unknown(w: int, start: int, end: int, hashed: int, owner: int) -> None:
    put_long(w, START, start)
    put_long(w, END, end)
    put_long(w, HASH, hashed)
    put_long(w, OWNER, owner)


@compiled
def is_at(w: int, slots: int, slot: int, base: int, at: int, end: int) -> bool:
    """Whether the bytes of that slot are here."""
    known = int_at(long_at(slots, LENGTHS), slot)
    return at + known <= end and same_bytes(
        base + at, long_at(w, ARENA) + long_at(long_at(slots, OFFSETS), slot), known
    )


@compiled
def attributes_at(w: int, at: int, end: int, tag: int) -> tuple[int, int, int]:
    """Whether their slot is known, the slot, and where they end. Most often they follow the same as the last time."""
    base, head, last = long_at(w, BASE), long_at(w, HEAD), long_at(w, LAST_ATTRIBUTES)
    slots = long_at(w, ATTRIBUTES)
    guess = int_at(long_at(w, FOLLOWING), last) if last >= 0 else int_at(long_at(w, HEAD_FIRST), head)
    if guess >= 0 and is_at(w, slots, guess, base, at, end):
        past = at + int_at(long_at(slots, LENGTHS), guess)
        if past == end or byte_at(base + past) != tag:
            return DONE, guess, past
    past = at
    while past < end and byte_at(base + past) == tag:
        past = span_at(base, past + 1, end)[1]
        if past == ODD:
            return ODD_POINT, -1, at
    hashed = hash_of(base + at, past - at, head)
    slot = find(slots, long_at(w, ARENA), head, base + at, past - at, hashed)
    if slot < 0:
        note_unknown(w, at, past, hashed, head)
        return NEW_ATTRIBUTES, -1, past
    if last >= 0:
        put_int(long_at(w, FOLLOWING), last, slot)
    else:
        put_int(long_at(w, HEAD_FIRST), head, slot)
    return DONE, slot, past


@compiled
def read_point(w: int, at: int, end: int, attributes_tag: int, flags_tag: int) -> int:
    """What a data point holds, into the description of the walk."""
    base = long_at(w, BASE)
    put_long(w, POINT_ATTRIBUTES, -1)
    for place in (POINT_FLAGS, PRESENT, COUNTS_AT, COUNTS_END, BOUNDS_AT, BOUNDS_END):
        put_long(w, place, 0)
    while at < end:
        tag = byte_at(base + at)
        if tag == attributes_tag:
            status, at = read_attributes(w, at, end, tag)
            if status != DONE:
                return status
        elif tag & _LONG_MASK == _LONG_TAG:
            at = read_long(w, at, end, tag >> 3)
        elif tag == flags_tag:
            at = read_flags(w, at, end)
        elif tag in (_BUCKET_COUNTS, _EXPLICIT_BOUNDS) and attributes_tag == _HISTOGRAM_ATTRIBUTES:
            at = read_numbers(w, at, end, COUNTS_AT if tag == _BUCKET_COUNTS else BOUNDS_AT)
        else:
            at = past_field(base, at, end)
        if at == ODD:
            return ODD_POINT
    if long_at(w, POINT_ATTRIBUTES) < 0 and not long_at(w, POINT_FLAGS) & 1:
        return read_attributes(w, end, end, attributes_tag)[0]
    return DONE


@compiled
def read_attributes(w: int, at: int, end: int, tag: int) -> tuple[int, int]:
    if long_at(w, POINT_ATTRIBUTES) >= 0:
        return ODD_POINT, at
    status, slot, at = attributes_at(w, at, end, tag)
    put_long(w, POINT_ATTRIBUTES, slot)
    return status, at


@compiled
def read_long(w: int, at: int, end: int, field: int) -> int:
    if end - at < _LONG:
        return ODD
    put_long(w, LONGS + field, signed(word_at(long_at(w, BASE) + at + 1)))
    put_long(w, PRESENT, long_at(w, PRESENT) | 1 << field)
    if field in (_DOUBLE, _INTEGER):
        put_long(w, VALUE_FIELD, field)
    return at + _LONG


@compiled
def read_flags(w: int, at: int, end: int) -> int:
    at, flags = varint_at(long_at(w, BASE), at + 1, end)
    put_long(w, POINT_FLAGS, flags)
    return at


@compiled
def read_numbers(w: int, at: int, end: int, place: int) -> int:
    if long_at(w, place):
        return ODD
    start, stop = span_at(long_at(w, BASE), at + 1, end)
    put_long(w, place, start)
    put_long(w, place + 1, stop)
    return ODD if stop == ODD or (stop - start) % 8 else stop


@compiled
def double_in(w: int, field: int) -> float:
    """Zero where it is not there."""
    if long_at(w, PRESENT) >> field & 1:
        return double_of_bits(np.uint64(long_at(w, LONGS + field)))
    return 0.0


@compiled
def time_in(w: int) -> int:
    """When the point is of, or _NO_TIME for a time that is refused."""
    time_ns = long_at(w, LONGS + _TIME) if long_at(w, PRESENT) >> _TIME & 1 else 0
    if time_ns == 0:
        return long_at(w, RECEIVED_NS)
    if time_ns < 0 or time_ns < long_at(w, OLDEST_NS) or time_ns > long_at(w, NEWEST_NS):
        return _NO_TIME
    return time_ns


@compiled
def put_point(w: int, series: int, time_ns: int, value: float) -> None:
    point, used = long_at(w, POINTS), long_at(w, USED)
    place = place_in_body(long_at(w, NUMBERED), series, long_at(w, BODY_MARK), used)
    if place == used:
        put_long(w, USED, used + 1)
    put_int(long_at(w, OUT_SERIES), point, place)
    put_long(long_at(w, OUT_TIMES), point, time_ns)
    put_double(long_at(w, OUT_VALUES), point, value)
    put_long(w, POINTS, point + 1)


@compiled
def number_point(w: int, at: int, end: int) -> int:
    """Takes one data point of a gauge or a sum. Whatever it does not take leaves no trace."""
    status = read_point(w, at, end, _NUMBER_ATTRIBUTES, _NUMBER_FLAGS)
    if status != DONE or long_at(w, POINT_FLAGS) & 1:
        return status
    time_ns = time_in(w)
    if time_ns == _NO_TIME or not long_at(w, PRESENT) & (1 << _DOUBLE | 1 << _INTEGER):
        return ODD_POINT
    value = double_in(w, _DOUBLE) if long_at(w, VALUE_FIELD) == _DOUBLE else float(long_at(w, LONGS + _INTEGER))
    if not np.isfinite(value):
        return ODD_POINT
    if long_at(w, POINTS) >= long_at(w, OUT_ROOM):
        return FULL
    attributes = long_at(w, POINT_ATTRIBUTES)
    put_point(w, int_at(long_at(w, ATTRIBUTES_SERIES), attributes), time_ns, value)
    return taken(w, attributes)


@compiled
def taken(w: int, attributes: int) -> int:
    put_long(w, LAST_ATTRIBUTES, attributes)
    put_long(w, TAKEN, long_at(w, TAKEN) + 1)
    return DONE


@compiled
def histogram_point(w: int, at: int, end: int) -> int:
    """Takes one data point of a histogram with explicit bounds. Whatever it does not take leaves no trace."""
    status = read_point(w, at, end, _HISTOGRAM_ATTRIBUTES, _HISTOGRAM_FLAGS)
    if status != DONE or long_at(w, POINT_FLAGS) & 1:
        return status
    buckets = (long_at(w, COUNTS_END) - long_at(w, COUNTS_AT)) // 8
    time_ns = time_in(w)
    if time_ns == _NO_TIME or not is_plain_histogram(w, buckets):
        return ODD_POINT
    status, slot = buckets_of(w, buckets)
    if status != DONE:
        return status
    if long_at(w, POINTS) + buckets + _TOTALS > long_at(w, OUT_ROOM):
        return FULL
    put_histogram(w, long_at(long_at(w, BUCKETS_SERIES), slot), time_ns, buckets)
    return taken(w, long_at(w, POINT_ATTRIBUTES))


@compiled
def is_plain_histogram(w: int, buckets: int) -> bool:
    """Whether its numbers are those of one histogram, and are counts and finite."""
    has, bounds = long_at(w, PRESENT), (long_at(w, BOUNDS_END) - long_at(w, BOUNDS_AT)) // 8
    if has & (1 << _ONE_BUCKET_COUNT | 1 << _ONE_EXPLICIT_BOUND) or bounds != max(buckets - 1, 0):
        return False
    if has >> _COUNT & 1 and long_at(w, LONGS + _COUNT) < 0:
        return False
    return bool(np.isfinite(double_in(w, _SUM) + double_in(w, _MIN) + double_in(w, _MAX))) and are_counts(
        long_at(w, BASE), long_at(w, COUNTS_AT), buckets
    )


@compiled
def put_histogram(w: int, member: int, time_ns: int, buckets: int) -> None:
    members, has = long_at(w, MEMBERS), long_at(w, PRESENT)
    count = long_at(w, LONGS + _COUNT) if has >> _COUNT & 1 else 0
    put_point(w, int_at(members, member), time_ns, float(count))
    member += 1
    for field in (_SUM, _MIN, _MAX):
        if has >> field & 1:
            put_point(w, int_at(members, member), time_ns, double_in(w, field))
            member += 1
    counts, below = long_at(w, BASE) + long_at(w, COUNTS_AT), 0
    for bucket in range(buckets):
        below += signed(word_at(counts + 8 * bucket))
        put_point(w, int_at(members, member + bucket), time_ns, float(below))


@compiled
def are_counts(base: int, at: int, buckets: int) -> bool:
    """Whether neither any of them nor all together are beyond what a count is."""
    below = 0
    for bucket in range(buckets):
        count = signed(word_at(base + at + 8 * bucket))
        below += count
        if count < 0 or below < 0:
            return False
    return True


@compiled
def buckets_of(w: int, buckets: int) -> tuple[int, int]:
    """The slot of the bounds, most often the one that these attributes had the last time."""
    base, slots, at, end = long_at(w, BASE), long_at(w, BUCKETS), long_at(w, BOUNDS_AT), long_at(w, BOUNDS_END)
    present = long_at(w, PRESENT)
    has = HAS_BUCKETS if buckets else 0
    has |= (present >> _SUM & 1) * HAS_SUM | (present >> _MIN & 1) * HAS_MIN | (present >> _MAX & 1) * HAS_MAX
    owner = long_at(w, POINT_ATTRIBUTES) * PRESENCES + has
    guess = int_at(long_at(w, LAST_BUCKETS), owner)
    if guess >= 0 and int_at(long_at(slots, LENGTHS), guess) == end - at and is_at(w, slots, guess, base, at, end):
        return DONE, guess
    hashed = hash_of(base + at, end - at, owner)
    slot = find(slots, long_at(w, ARENA), owner, base + at, end - at, hashed)
    if slot < 0:
        note_unknown(w, at, end, hashed, owner)
        return NEW_BUCKETS, -1
    put_int(long_at(w, LAST_BUCKETS), owner, slot)
    return DONE, slot
