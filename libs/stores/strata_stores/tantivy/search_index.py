"""The SearchIndex of one machine: a directory a generation."""

import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import UUID

from strata_core.ports.clock import Clock
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_datamodel.search import Buckets, GenerationMissingError, Held, IndexPage, IndexSearch, Place, Projected
from strata_stores.breaker import Breaker
from strata_stores.tantivy.directories import create_index, prepare_directory, remove_index
from strata_stores.tantivy.entity_index import STORE, EntityIndex, reported
from strata_stores.tantivy.entity_schema import ENTITY_SCHEMA
from strata_stores.tantivy.schema import id_halves

_VERSION: Final = version("tantivy")
_NAME: Final = re.compile(r"(?P<kind>[a-z_]+)-(?P<generation>[0-9]{6,})")


class TantivySearchIndex:
    """One process writes; others may read beside it."""

    def __init__(
        self, directory: Path, clock: Clock, *, writer_heap_bytes: int = 16 * MIB, breaker: Breaker | None = None
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._writer_heap_bytes = writer_heap_bytes
        self._breaker = breaker or Breaker(STORE, clock)
        self._lock = threading.Lock()
        self._indexes: dict[Place, EntityIndex] = {}

    def prepare(self) -> None:
        """For the process that writes: removes what one left that died while making or dropping a generation."""
        with self._breaker.guard(), reported():
            prepare_directory(self._directory)

    def create(self, place: Place) -> None:
        with self._breaker.guard(), self._lock, reported():
            if not self._path(place).exists():
                self._forget(place)
                self._directory.mkdir(parents=True, exist_ok=True)
                create_index(self._directory, _name_of(place), ENTITY_SCHEMA)

    def drop(self, place: Place) -> None:
        with self._breaker.guard(), self._lock, reported():
            index = self._indexes.pop(place, None)
            if index is not None:
                index.close()
            if self._directory.exists():
                remove_index(self._directory, _name_of(place))

    def generations(self, kind: str) -> Sequence[int]:
        with self._breaker.guard(), reported():
            names = [entry.name for entry in self._directory.iterdir()] if self._directory.exists() else []
        found = (_NAME.fullmatch(name) for name in names)
        return sorted(int(match["generation"]) for match in found if match is not None and match["kind"] == kind)

    def write(self, place: Place, entities: Sequence[Projected]) -> None:
        with self._at(place) as index:
            index.write(entities, self._clock.now_ns() // 1_000_000)

    def refresh(self, place: Place) -> None:
        """Each commit is searchable at once."""
        with self._at(place):
            pass

    def search(self, search: IndexSearch) -> IndexPage:
        with self._at(search.place) as index:
            return index.search(search)

    def buckets(self, place: Place, organization_id: OrganizationId) -> Buckets:
        with self._at(place) as index:
            return index.buckets(organization_id)

    def scan(
        self, place: Place, organization_id: OrganizationId, bucket: int, *, after: UUID | None, limit: int
    ) -> Sequence[Held]:
        with self._at(place) as index:
            return index.scan(organization_id, bucket, None if after is None else id_halves(after.hex), limit)

    def purge_deleted(self, place: Place, before_ms: int, *, limit: int) -> int:
        with self._at(place) as index:
            return index.purge_deleted(before_ms, limit)

    def remove(self, place: Place, organization_id: OrganizationId) -> None:
        with self._at(place) as index:
            index.remove(organization_id)

    def health(self) -> StoreHealth:
        began_s = self._clock.monotonic_s()
        try:
            free_bytes = shutil.disk_usage(self._directory).free
        except OSError as error:
            return StoreHealth(STORE, is_ready=False, detail=str(error), version=_VERSION, is_required=False)
        latency_ms = (self._clock.monotonic_s() - began_s) * 1_000
        detail = f"{free_bytes // MIB} MiB free"
        return StoreHealth(STORE, True, detail, _VERSION, latency_ms, is_required=False)

    def close(self) -> None:
        with self._lock:
            indexes, self._indexes = self._indexes, {}
        for index in indexes.values():
            index.close()

    @contextmanager
    def _at(self, place: Place) -> Iterator[EntityIndex]:
        with self._breaker.guard():
            with self._lock, reported():
                # Looked for each time: a directory that was taken away must not be answered for from open files.
                if not self._path(place).exists():
                    self._forget(place)
                    raise GenerationMissingError(place)
                index = self._indexes.get(place)
                if index is None:
                    index = self._indexes[place] = EntityIndex(self._path(place), self._writer_heap_bytes)
            yield index

    def _forget(self, place: Place) -> None:
        lost = self._indexes.pop(place, None)
        if lost is not None:
            lost.abandon()

    def _path(self, place: Place) -> Path:
        return self._directory / _name_of(place)


def _name_of(place: Place) -> str:
    return f"{place.kind}-{place.generation:06d}"
