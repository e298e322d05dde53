"""Series kept from body to body: one object a series, which stores then find by its identity."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_wire.compiled.line_walk import LineWalk
from strata_wire.compiled.otlp_walk import prepare_otlp
from strata_wire.compiled.registry import Registry
from strata_wire.compiled.sample_walk import prepare_samples
from strata_wire.line_reading import Times
from strata_wire.times_kept import TimesKept

_LIMIT_BYTES: Final = 256 * MIB
_KEYS_THAT_GROW: Final = 40  # more than a registry has room for at first


class Known(Protocol):
    """What the bodies of one format taught of an organization's series."""

    @property
    def series(self) -> Sized: ...

    @property
    def size_bytes(self) -> int: ...


R = TypeVar("R", bound=Known)


@dataclass(slots=True)
class _Place:
    registries: dict[type[Known], Known] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    counted_bytes: int = 0

    def of(self, kind: type[R]) -> R:
        registry = self.registries.get(kind)
        if not isinstance(registry, kind):
            registry = self.registries[kind] = kind()
        return registry

    @property
    def size_bytes(self) -> int:
        return sum(registry.size_bytes for registry in self.registries.values())


class KnownSeries:
    """Changes no answer, only whether it is a new object. Thread-safe, and bounded: an organization that fills
    half of it begins anew, and the one that sent nothing for the longest is forgotten first."""

    def __init__(self, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._places: OrderedDict[OrganizationId, _Place] = OrderedDict()
        self._size_bytes = 0
        self._is_ready = threading.Event()

    @property
    def is_ready(self) -> bool:
        """Whether bodies can be walked by machine code: making it takes seconds the first time."""
        return self._is_ready.is_set()

    def prepare(self) -> None:
        """Makes or loads the machine code. Until then everything is read plainly."""
        body = b"".join(b'm,n=%d i=1i,f=2.5e3,b=t,s="x" 1\n' % number for number in range(_KEYS_THAT_GROW))
        walk = LineWalk(body, Times(1, TimesKept(1, 0, 1)), Registry())
        walk.advance(0)
        walk.columns()
        prepare_samples()
        prepare_otlp()
        self._is_ready.set()

    def __len__(self) -> int:
        """How many series are held."""
        with self._lock:
            places = list(self._places.values())
        return sum(len(registry.series) for place in places for registry in list(place.registries.values()))

    @contextmanager
    def of(self, organization_id: OrganizationId, kind: type[R]) -> Iterator[R]:
        """Nobody else has it while the block lasts. Each kind of registry is another's own: their bytes mean different
        things."""
        with self._lock:
            place = self._places.setdefault(organization_id, _Place())
            self._places.move_to_end(organization_id)
        with place.lock:
            try:
                yield place.of(kind)
            finally:  # a body that is refused has left what it brought, too
                self._weigh(organization_id, place)

    def _weigh(self, organization_id: OrganizationId, place: _Place) -> None:
        with self._lock:
            if self._places.get(organization_id) is not place:
                return
            size_bytes = place.size_bytes
            self._size_bytes += size_bytes - place.counted_bytes
            place.counted_bytes = size_bytes
            if place.counted_bytes > self._limit_bytes // 2:
                self._size_bytes -= self._places.pop(organization_id).counted_bytes
            while self._size_bytes > self._limit_bytes:
                _, forgotten = self._places.popitem(last=False)
                self._size_bytes -= forgotten.counted_bytes
