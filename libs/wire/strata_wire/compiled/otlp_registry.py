"""What is known of one organization's OTLP metrics: as bytes, which walks find, and as series, which stores find by
identity."""

from typing import Final

import numpy as np

from strata_datamodel.metrics import SeriesKey
from strata_wire.compiled.machine import Integers, Longs
from strata_wire.compiled.numbered_series import NumberedSeries
from strata_wire.compiled.otlp_layout import (
    ARENA,
    ATTRIBUTES,
    ATTRIBUTES_SERIES,
    BUCKETS,
    BUCKETS_SERIES,
    CONTEXTS,
    FOLLOWING,
    HAS_BUCKETS,
    HAS_MAX,
    HAS_MIN,
    HAS_SUM,
    HEAD_FIRST,
    HEADS,
    LAST_BUCKETS,
    MEMBERS,
    NO_OWNER,
    NUMBERED,
    PRESENCES,
    TEMPORALITIES,
    WALK_SIZE,
)
from strata_wire.compiled.slots import Arena, Slots, doubled
from strata_wire.otlp.fields import WireError, doubles
from strata_wire.otlp.protobuf_reading import read_attributes, read_metric, read_resource, read_scope
from strata_wire.otlp.series import (
    COUNT,
    MAX,
    MIN,
    SUM,
    VALUE,
    Head,
    Keys,
    Kind,
    Origin,
    bucket_keys,
    head_of,
    resource_origin,
    scope_origin,
)

# What the objects and the arrays' entries take in CPython 3.11, about.
_EMPTY_BYTES: Final = 64_000
_OBJECT_BYTES: Final = 700
_TAG_BYTES: Final = 160
_BYTES_PER_CHARACTER: Final = 6

_EMPTY_MESSAGE: Final = b"\0"
_NO_SERIES: Final = -1
_ATTRIBUTES_FIELD: Final = {Kind.GAUGE: 7, Kind.SUM: 7, Kind.HISTOGRAM: 9}
_PRESENT: Final = ((HAS_SUM, SUM), (HAS_MIN, MIN), (HAS_MAX, MAX))


class OtlpRegistry:
    """Not thread-safe. Grows with all that was not seen; `size_bytes` says how far. What is added may raise WireError,
    TooLargeError, and PointError for a data point that cannot be taken."""

    def __init__(self) -> None:
        self.numbered = NumberedSeries()
        self.heads: list[Head] = []
        self._kinds: list[Kind] = []
        self._origins: list[Origin] = []
        self._keys: list[Keys] = []
        self._own_bytes = _EMPTY_BYTES
        self._is_new = True
        self._addresses: Longs = np.zeros(WALK_SIZE, np.int64)
        self._arena = Arena()
        self._context_slots, self._head_slots = Slots(self._arena), Slots(self._arena)
        self._attribute_slots, self._bucket_slots = Slots(self._arena), Slots(self._arena)
        capacity = self._head_slots.capacity
        self._head_first: Integers = np.full(capacity, -1, np.int32)
        self._following: Integers = np.full(capacity, -1, np.int32)
        self._attributes_series: Integers = np.full(capacity, _NO_SERIES, np.int32)
        self._last_buckets: Integers = np.full(PRESENCES * capacity, -1, np.int32)
        self._buckets_series: Longs = np.zeros(capacity, np.int64)
        self._members: Integers = np.zeros(capacity, np.int32)
        self._member_count = 0

    @property
    def series(self) -> list[SeriesKey]:
        return self.numbered.series

    @property
    def size_bytes(self) -> int:
        return self._own_bytes + self.numbered.size_bytes

    def describe(self, walk: Longs) -> None:
        """What is known, for a walk, until something is added."""
        if self._is_new or self.numbered.is_grown:
            self._is_new = False
            slots = (self._context_slots, self._head_slots, self._attribute_slots, self._bucket_slots)
            self._described = (*(each.described() for each in slots), self.numbered.described())
            contexts, heads, attributes, buckets, numbered = self._described
            for place, array in (
                (CONTEXTS, contexts),
                (HEADS, heads),
                (ATTRIBUTES, attributes),
                (BUCKETS, buckets),
                (HEAD_FIRST, self._head_first),
                (FOLLOWING, self._following),
                (LAST_BUCKETS, self._last_buckets),
                (ATTRIBUTES_SERIES, self._attributes_series),
                (BUCKETS_SERIES, self._buckets_series),
                (MEMBERS, self._members),
                (NUMBERED, numbered),
            ):
                self._addresses[place] = array.ctypes.data
            self._addresses[ARENA] = self._arena.address
        walk[ARENA : NUMBERED + 1] = self._addresses[ARENA : NUMBERED + 1]

    def add_context(self, raw: bytes, hashed: int, owner: int) -> None:
        """A resource, or a scope under that of its owner."""
        if owner == NO_OWNER:
            origin = resource_origin(read_resource(raw))
        else:
            origin = scope_origin(self._origins[owner], read_scope(raw))
        self._weigh(raw, len(origin.tags))
        self._context_slots.add(raw, hashed, owner)
        self._origins.append(origin)

    def add_head(self, raw: bytes, hashed: int, owner: int) -> None:
        """What comes before a metric's data, the tag of that included."""
        metric = read_metric(raw + _EMPTY_MESSAGE)
        scope, temporality = divmod(owner, TEMPORALITIES)
        if metric.kind is None:
            raise WireError("a metric has no data")
        head = head_of(self._origins[scope], metric.name, metric.unit, metric.kind, temporality)
        self._weigh(raw, 2)
        self._head_slots.add(raw, hashed, owner)
        self.heads.append(head)
        self._kinds.append(metric.kind)
        if self._head_slots.capacity > len(self._head_first):
            self._head_first = doubled(self._head_first, -1)

    def add_attributes(self, raw: bytes, hashed: int, head: int) -> None:
        kind = self._kinds[head]
        keys = self.heads[head].keys(read_attributes(raw, _ATTRIBUTES_FIELD[kind]))
        series = _NO_SERIES if kind is Kind.HISTOGRAM else self.numbered.number(keys.of(VALUE))
        self._weigh(raw, len(keys.tags))
        slot = self._attribute_slots.add(raw, hashed, head)
        self._keys.append(keys)
        if self._attribute_slots.capacity > len(self._following):
            self._following = doubled(self._following, -1)
            self._attributes_series = doubled(self._attributes_series, _NO_SERIES)
            self._last_buckets = doubled(self._last_buckets, -1)
        self._attributes_series[slot] = series

    def add_buckets(self, raw: bytes, hashed: int, owner: int) -> None:
        """The bounds of a histogram, under its attributes and what else its data points have."""
        attributes, has = divmod(owner, PRESENCES)
        keys = self._keys[attributes]
        found = [keys.of(COUNT), *(keys.of(name) for flag, name in _PRESENT if has & flag)]
        if has & HAS_BUCKETS:
            found += bucket_keys(keys, doubles(raw))
        self._weigh(raw, 0)
        slot = self._bucket_slots.add(raw, hashed, owner)
        if self._bucket_slots.capacity > len(self._buckets_series):
            self._buckets_series = doubled(self._buckets_series)
        while self._member_count + len(found) > len(self._members):
            self._members = doubled(self._members)
        self._buckets_series[slot] = self._member_count
        self._members[self._member_count : self._member_count + len(found)] = [
            self.numbered.number(key) for key in found
        ]
        self._member_count += len(found)

    def _weigh(self, raw: bytes, tags: int) -> None:
        self._is_new = True
        self._own_bytes += _OBJECT_BYTES + _TAG_BYTES * tags + _BYTES_PER_CHARACTER * len(raw)
