"""Series keys that were read, kept from body to body: one object a series, which stores then find by its identity."""

import threading
from dataclasses import dataclass, field
from typing import Final

from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_datamodel.metrics import FieldClass, SeriesKey, Tags
from strata_wire.line_grammar import parse_field_name, parse_key

_LIMIT_BYTES: Final = 64 * MIB
_FIELDS_PER_KEY: Final = 1_000

# What the objects take in CPython 3.11, about; a text of which one character is rare takes four bytes for each.
_KEY_BYTES: Final = 600
_TAG_BYTES: Final = 160
_FIELD_BYTES: Final = 250
_BYTES_PER_CHARACTER: Final = 5

Place = tuple[OrganizationId, bytes]


@dataclass(slots=True)
class ReadKey:
    """A measurement with its tags, and the series of each of its fields by the raw name."""

    measurement: str
    tags: Tags
    size_bytes: int
    numbers: dict[bytes, SeriesKey] = field(default_factory=dict)
    strings: dict[bytes, SeriesKey] = field(default_factory=dict)
    booleans: dict[bytes, SeriesKey] = field(default_factory=dict)

    def of(self, field_class: FieldClass) -> dict[bytes, SeriesKey]:
        if field_class is FieldClass.NUMBER:
            return self.numbers
        return self.strings if field_class is FieldClass.STRING else self.booleans


class KnownSeries:
    """Changes no answer, only whether it is a new object. Thread-safe, and bounded: keys that were not read while half
    of the bytes were filled anew are forgotten."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._half_bytes = limit_bytes // 2
        self._lock = threading.Lock()
        self._recent: dict[Place, ReadKey] = {}
        self._earlier: dict[Place, ReadKey] = {}
        self._recent_bytes = 0

    def __len__(self) -> int:
        return len(self._recent.keys() | self._earlier.keys())

    def key(self, organization_id: OrganizationId, raw: bytes) -> ReadKey:
        """Raises LineError for what is no series key."""
        place = (organization_id, raw)
        found = self._recent.get(place)
        if found is not None:
            return found
        with self._lock:
            found = self._recent.get(place) or self._earlier.get(place)
            if found is None:
                measurement, tags = parse_key(raw)
                found = ReadKey(
                    measurement, tags, _KEY_BYTES + _TAG_BYTES * len(tags) + _BYTES_PER_CHARACTER * len(raw)
                )
            self._recent[place] = found
            self._grow(found.size_bytes)
        return found

    def series(self, key: ReadKey, raw_name: bytes, field_class: FieldClass) -> SeriesKey:
        """Raises LineError for what is no name of a field."""
        fields = key.of(field_class)
        found = fields.get(raw_name)
        if found is not None:
            return found
        series = SeriesKey(key.measurement, key.tags, parse_field_name(raw_name, key.measurement), field_class)
        if len(fields) >= _FIELDS_PER_KEY:
            return series
        with self._lock:
            size_bytes = _FIELD_BYTES + _BYTES_PER_CHARACTER * len(raw_name)
            key.size_bytes += size_bytes
            self._grow(size_bytes)
            return fields.setdefault(raw_name, series)

    def _grow(self, size_bytes: int) -> None:
        self._recent_bytes += size_bytes
        if self._recent_bytes > self._half_bytes:
            self._earlier, self._recent, self._recent_bytes = self._recent, {}, 0
