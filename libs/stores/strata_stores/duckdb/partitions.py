"""The files that hold points and windows, each of one tier and one period, attached while they are used."""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from strata_datamodel.tiers import Tier
from strata_stores.duckdb.periods import Period, file_name, named
from strata_stores.duckdb.schema import TABLES

BUILDING: Final = ".building"
_MOST_ATTACHED: Final = 64
_HEADER_BYTES: Final = 3 * 4096
"""What DuckDB 2.0 writes first: a file that is shorter was being created when its process was killed."""
_LETTERS: Final = {Tier.RAW: "raw", Tier.MINUTE: "minutes", Tier.FIVE_MINUTES: "fives", Tier.HOUR: "hours"}


@dataclass(slots=True, eq=False)
class PartitionFile:
    period: Period
    generation: int
    path: Path
    pins: int = 0
    is_attached: bool = False
    is_retired: bool = False
    changes: int = 0
    """How often this process wrote to it."""
    is_known_sealed: bool = False

    @property
    def name(self) -> str:
        """In SQL. Made of numbers, so that it can stand in a statement."""
        return f"{_LETTERS[self.period.tier]}{self.period.number}_{self.generation}"


@dataclass(slots=True)
class Partitions:
    """A file that is pinned stays attached; one that is retired is found no more, and goes with its last pin."""

    directory: Path
    _connection: duckdb.DuckDBPyConnection | None = None
    _files: dict[Period, PartitionFile] = field(default_factory=dict)
    _used: dict[PartitionFile, None] = field(default_factory=dict)
    """Those attached, the least recently used first."""
    _generations: dict[Period, int] = field(default_factory=dict)
    """Of files that were let go: a reader may still have the one of that name."""
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def look(self, connection: duckdb.DuckDBPyConnection) -> None:
        """What is on disk, of which nothing is attached to a connection that was just opened. Clears what a kill left
        of files that were being made."""
        with self._lock:
            self._connection, self._files, self._used, self._generations = connection, {}, {}, {}
            for path in sorted(self.directory.iterdir()):
                if path.name.endswith((BUILDING, BUILDING + ".wal")):
                    path.unlink(missing_ok=True)
                elif (found := named(path.name)) is not None:
                    self._found(PartitionFile(*found, path))

    def _found(self, file: PartitionFile) -> None:
        """A higher generation was complete before it got its name, and says what the lower one says."""
        if file.path.stat().st_size < _HEADER_BYTES:
            _unlink(file.path)
            return
        other = self._files.get(file.period)
        if other is None or other.generation < file.generation:
            self._files[file.period] = file
        if other is not None:
            _unlink(min(file, other, key=lambda each: each.generation).path)

    def all_of(self, *tiers: Tier) -> list[PartitionFile]:
        """By tier and time."""
        with self._lock:
            return [self._files[period] for period in sorted(self._files) if period.tier in tiers]

    def overlapping(self, tier: Tier, from_ns: int, to_ns: int) -> list[PartitionFile]:
        return [each for each in self.all_of(tier) if each.period.overlaps(from_ns, to_ns)]

    def each(self, *tiers: Tier) -> Iterator[PartitionFile]:
        """One after the other, each pinned while its turn lasts."""
        for listed in self.all_of(*tiers):
            with self._lock:
                file = self._files.get(listed.period)
                if file is None:
                    continue
                self._pin([file])
            try:
                yield file
            finally:
                self._unpin([file])

    @contextmanager
    def pinned(self, *wanted: tuple[Tier, int, int]) -> Iterator[list[list[PartitionFile]]]:
        """For each tier and range the files that hold something of it, by time."""
        with self._lock:
            found = [self.overlapping(*each) for each in wanted]
            files = [file for each in found for file in each]
            self._pin(files)
        try:
            yield found
        finally:
            self._unpin(files)

    @contextmanager
    def pinned_or_new(self, period: Period) -> Iterator[PartitionFile]:
        with self._lock:
            file = self._files.get(period) or self._new(period)
            self._pin([file])
            if period not in self._files:
                sync_directory(self.directory)
                self._files[period] = file
        try:
            yield file
        finally:
            self._unpin([file])

    def holds(self, file: PartitionFile) -> bool:
        """Whether it is still the one that is written to."""
        with self._lock:
            return self._files.get(file.period) is file

    def replace(self, file: PartitionFile, successor: PartitionFile | None) -> None:
        """Whoever reads the file goes on reading it; nobody else finds it."""
        with self._lock:
            file.is_retired = True
            if successor is None:
                self._files.pop(file.period)
                self._generations[file.period] = file.generation + 1
            else:
                self._files[file.period] = successor
            if not file.pins:
                self._remove(file)

    def cursor(self) -> closing[duckdb.DuckDBPyConnection]:
        """One of its own: that of a caller may be within a transaction, or past an error."""
        if self._connection is None:
            raise duckdb.ConnectionException("the metrics files are not open")
        return closing(self._connection.cursor())

    def _new(self, period: Period) -> PartitionFile:
        generation = self._generations.get(period, 0)
        return PartitionFile(period, generation, self.directory / file_name(period, generation))

    def _pin(self, files: Sequence[PartitionFile]) -> None:
        with self._lock:
            for file in files:
                self._attach(file)
                file.pins += 1
            self._detach_idle()

    def _unpin(self, files: Sequence[PartitionFile]) -> None:
        with self._lock:
            for file in files:
                file.pins -= 1
                if file.is_retired and not file.pins:
                    self._remove(file)

    def _attach(self, file: PartitionFile) -> None:
        self._used.pop(file, None)
        if not file.is_attached:
            with self.cursor() as cursor:
                attach(cursor, file.path, file.name)
                create_tables(cursor, file.period.tier, file.name)
            file.is_attached = True
        self._used[file] = None

    def _detach_idle(self) -> None:
        idle = [file for file in self._used if not file.pins]
        for file in idle[: max(0, len(self._used) - _MOST_ATTACHED)]:
            self._detach(file)

    def _detach(self, file: PartitionFile) -> None:
        if self._used.pop(file, file) is None:
            file.is_attached = False
            with self.cursor() as cursor:
                cursor.execute(f"DETACH DATABASE IF EXISTS {file.name}")

    def _remove(self, file: PartitionFile) -> None:
        self._detach(file)
        _unlink(file.path)


def attach(cursor: duckdb.DuckDBPyConnection, path: Path, name: str, *, block_bytes: int | None = None) -> None:
    """The size of its blocks is for a file that is to be made."""
    options = "" if block_bytes is None else f" (BLOCK_SIZE {block_bytes})"
    cursor.execute(f"ATTACH IF NOT EXISTS $path AS {name}{options}", {"path": str(path)})


def create_tables(cursor: duckdb.DuckDBPyConnection, tier: Tier, file: str) -> None:
    cursor.begin()
    for statement in TABLES[tier]:
        cursor.execute(statement.format(file=file))
    cursor.commit()


def sync_directory(directory: Path) -> None:
    """So that names in it outlast a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
