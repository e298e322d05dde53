"""The walk over the messages around data points: resources, scopes, metrics and their data."""

from typing import Final

from strata_wire.compiled.machine import byte_at, compiled, long_at, put_long
from strata_wire.compiled.octets import find, hash_of
from strata_wire.compiled.otlp_layout import (
    ARENA,
    AT,
    BASE,
    CONTEXTS,
    DATA_END,
    DONE,
    GAUGE,
    HEAD,
    HEADS,
    HISTOGRAM,
    ITEMS,
    ITEMS_MAX,
    KIND,
    LAST_ATTRIBUTES,
    LENGTH,
    METRIC_END,
    NEW_CONTEXT,
    NEW_HEAD,
    NO_OWNER,
    NUMBER,
    ODD_BODY,
    ODD_POINT,
    POINT_END,
    POINT_START,
    RESOURCE,
    RESOURCE_END,
    SCOPE,
    SCOPE_END,
    SUM,
    SUMMARY,
    TEMPORALITIES,
)
from strata_wire.compiled.otlp_points import histogram_point, note_unknown, number_point
from strata_wire.compiled.protobuf import ODD, past_field, span_at

_FIRST: Final = 0x0A
_SECOND: Final = 0x12
_THIRD: Final = 0x1A
_TEMPORALITY: Final = 0x10
_TEMPORALITY_MAX: Final = 2
_KINDS: Final = (0x2A, 0x3A, 0x4A, 0x52, 0x5A)


@compiled
def walk(w: int) -> int:
    """From AT on. Ends before what it stops at, which leaves no trace."""
    status = DONE
    while status == DONE and long_at(w, ITEMS) <= long_at(w, ITEMS_MAX):
        at = long_at(w, AT)
        if at < long_at(w, DATA_END):
            status = step_in_data(w, at, long_at(w, DATA_END))
        elif at < long_at(w, METRIC_END):
            put_long(w, AT, long_at(w, METRIC_END))
        elif at < long_at(w, SCOPE_END):
            status = step_in_scope(w, at, long_at(w, SCOPE_END))
        elif at < long_at(w, RESOURCE_END):
            status = step_in_resource(w, at, long_at(w, RESOURCE_END))
        elif at < long_at(w, LENGTH):
            status = step_in_body(w, at, long_at(w, LENGTH))
        else:
            break
    return status


@compiled
def enter(w: int, at: int) -> None:
    put_long(w, AT, at)
    put_long(w, ITEMS, long_at(w, ITEMS) + 1)


@compiled
def step_over(w: int, at: int, end: int) -> int:
    """A field that nothing is made of."""
    past = past_field(long_at(w, BASE), at, end)
    if past == ODD:
        return ODD_BODY
    put_long(w, AT, past)
    return DONE


@compiled
def step_in_body(w: int, at: int, end: int) -> int:
    base = long_at(w, BASE)
    if byte_at(base + at) != _FIRST:
        return step_over(w, at, end)
    start, stop = span_at(base, at + 1, end)
    if stop == ODD:
        return ODD_BODY
    status, slot = context_in(w, start, stop, NO_OWNER)
    if status == DONE:
        put_long(w, RESOURCE, slot)
        put_long(w, RESOURCE_END, stop)
        enter(w, start)
    return status


@compiled
def step_in_resource(w: int, at: int, end: int) -> int:
    base = long_at(w, BASE)
    if byte_at(base + at) != _SECOND:
        return step_over(w, at, end)
    start, stop = span_at(base, at + 1, end)
    if stop == ODD:
        return ODD_BODY
    status, slot = context_in(w, start, stop, long_at(w, RESOURCE))
    if status == DONE:
        put_long(w, SCOPE, slot)
        put_long(w, SCOPE_END, stop)
        enter(w, start)
    return status


@compiled
def context_in(w: int, start: int, stop: int, owner: int) -> tuple[int, int]:
    """The slot of what the first field of this message says, wherever in it that field is."""
    base = long_at(w, BASE)
    at, found_at, found_end = start, start, start
    has_found = False
    while at < stop:
        if byte_at(base + at) == _FIRST:
            if has_found:
                return ODD_BODY, -1
            has_found = True
            found_at, found_end = span_at(base, at + 1, stop)
            at = found_end
        elif byte_at(base + at) == _SECOND:
            at = span_at(base, at + 1, stop)[1]
        else:
            at = past_field(base, at, stop)
        if at == ODD:
            return ODD_BODY, -1
    hashed = hash_of(base + found_at, found_end - found_at, owner)
    slot = find(long_at(w, CONTEXTS), long_at(w, ARENA), owner, base + found_at, found_end - found_at, hashed)
    if slot < 0:
        note_unknown(w, found_at, found_end, hashed, owner)
        return NEW_CONTEXT, -1
    return DONE, slot


@compiled
def step_in_scope(w: int, at: int, end: int) -> int:
    base = long_at(w, BASE)
    if byte_at(base + at) != _SECOND:
        return step_over(w, at, end)
    start, stop = span_at(base, at + 1, end)
    if stop == ODD:
        return ODD_BODY
    at = data_in(base, start, stop)
    if at == ODD:
        return ODD_BODY
    if at < stop:
        return step_into_data(w, start, at, stop)
    enter(w, stop)
    return DONE


@compiled
def data_in(base: int, at: int, stop: int) -> int:
    """Where a metric's data is, or its end."""
    while at < stop and byte_at(base + at) not in _KINDS:
        at = past_field(base, at, stop)
        if at == ODD:
            return ODD
    return at


@compiled
def step_into_data(w: int, start: int, at: int, stop: int) -> int:
    """All that comes before a metric's data is its head, up to the tag that says of what kind the data is."""
    base, kind = long_at(w, BASE), byte_at(long_at(w, BASE) + at) >> 3
    head_end = at + 1
    data_at, data_end = span_at(base, head_end, stop)
    if data_end == ODD or not is_plain_rest(base, data_end, stop):
        return ODD_BODY
    temporality = 0 if kind in (GAUGE, SUMMARY) else temporality_in(base, data_at, data_end)
    if temporality == ODD:
        return ODD_BODY
    owner = long_at(w, SCOPE) * TEMPORALITIES + temporality
    hashed = hash_of(base + start, head_end - start, owner)
    slot = find(long_at(w, HEADS), long_at(w, ARENA), owner, base + start, head_end - start, hashed)
    if slot < 0:
        note_unknown(w, start, head_end, hashed, owner)
        return NEW_HEAD
    put_long(w, HEAD, slot)
    put_long(w, KIND, kind)
    put_long(w, NUMBER, 0)
    put_long(w, LAST_ATTRIBUTES, -1)
    put_long(w, METRIC_END, stop)
    put_long(w, DATA_END, data_end)
    enter(w, data_at)
    return DONE


@compiled
def is_plain_rest(base: int, at: int, end: int) -> bool:
    """Whether nothing after a metric's data changes what was read before it."""
    while at < end:
        tag = byte_at(base + at)
        if tag in (_FIRST, _THIRD) or tag in _KINDS:
            return False
        at = past_field(base, at, end)
        if at == ODD:
            return False
    return True


@compiled
def temporality_in(base: int, at: int, end: int) -> int:
    """It may come after the data points."""
    found = 0
    while at < end:
        tag = byte_at(base + at)
        if tag == _FIRST:
            at = span_at(base, at + 1, end)[1]
        elif tag == _TEMPORALITY:
            if at + 1 >= end or byte_at(base + at + 1) > _TEMPORALITY_MAX:
                return ODD
            found = byte_at(base + at + 1)
            at += 2
        else:
            at = past_field(base, at, end)
        if at == ODD:
            return ODD
    return found


@compiled
def step_in_data(w: int, at: int, end: int) -> int:
    base = long_at(w, BASE)
    if byte_at(base + at) != _FIRST:
        return step_over(w, at, end)
    start, stop = span_at(base, at + 1, end)
    if stop == ODD:
        return ODD_BODY
    kind = long_at(w, KIND)
    if kind in (GAUGE, SUM):
        status = number_point(w, start, stop)
    elif kind == HISTOGRAM:
        status = histogram_point(w, start, stop)
    else:
        status = ODD_POINT
    if status == DONE:
        put_long(w, NUMBER, long_at(w, NUMBER) + 1)
        enter(w, stop)
    else:
        put_long(w, POINT_START, start)
        put_long(w, POINT_END, stop)
    return status
