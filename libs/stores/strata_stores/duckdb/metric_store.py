"""The metric store of embedded mode: files by time, one process, one writer."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import duckdb

from strata_core.metrics.rules import check_query
from strata_core.ports.clock import Clock
from strata_datamodel.errors import DeadlineError, LimitError, StoreUnavailableError, StrataError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB, QUERY_POINTS, QUERY_SERIES, QUERY_TIMEOUT_S
from strata_datamodel.metrics import MetricAnswer, MetricQuery, PointBatch, Readings, SeriesKey, TagPair, WriteOutcome
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import Gap, RolledUp, Stretch, Tier
from strata_stores.breaker import Breaker
from strata_stores.duckdb.answering import AnswerLimits, answer
from strata_stores.duckdb.database import STORE, Database
from strata_stores.duckdb.erasing import choose_all_of, count_kept, delete_older, delete_series
from strata_stores.duckdb.gaps import gaps_of_chosen
from strata_stores.duckdb.keeping import let_go, next_to_seal
from strata_stores.duckdb.raw_files import WriterState
from strata_stores.duckdb.reading import read_points
from strata_stores.duckdb.rolling import roll_up_slice, slices
from strata_stores.duckdb.sealing import build_sealed, discard, put_in_place
from strata_stores.duckdb.slicing import hours_held, point_slice, window_slice, write_windows
from strata_stores.duckdb.writing import write_batch

_HEALTH_TIMEOUT_S: Final = 2.0


class DuckDbMetricStore:
    """Writes take turns, and roll-ups do; readers wait for neither. Time-outs are per call and interrupt what is
    running."""

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        write_timeout_s: float = 30.0,
        delete_timeout_s: float = 300.0,
        memory_limit: str = "1GB",
        threads: int = 2,
        checkpoint_bytes: int = 256 * MIB,  # the default of 16 MiB made one commit in a hundred take 37 ms
        temp_bytes: int = 4096 * MIB,
        max_series: int = QUERY_SERIES,
        max_points: int = QUERY_POINTS,
        breaker: Breaker | None = None,
    ) -> None:
        self._clock = clock
        self._breaker = breaker or Breaker(STORE, clock)
        self._query_timeout_s = query_timeout_s
        self._write_timeout_s = write_timeout_s
        self._delete_timeout_s = delete_timeout_s
        self._limits = AnswerLimits(max_series, max_points)
        self._database = Database(
            directory,
            memory_limit=memory_limit,
            threads=threads,
            checkpoint_bytes=checkpoint_bytes,
            temp_bytes=temp_bytes,
        )
        self._files = self._database.partitions
        self._sealing, self._rolling, self._writing = threading.Lock(), threading.Lock(), threading.Lock()
        """Taken in this order."""
        self._state: WriterState | None = None

    def prepare(self) -> None:
        with self._turn_to_write(self._write_timeout_s):
            pass

    def write(self, batch: PointBatch) -> WriteOutcome:
        with self._breaker.guard(), self._turn_to_write(self._write_timeout_s) as (cursor, state):
            return write_batch(cursor, state, self._files, batch)

    def query(self, query: MetricQuery) -> MetricAnswer:
        check_query(query)
        with self._breaker.guard(), self._database.cursor(self._query_timeout_s) as cursor:
            return answer(cursor, self._files, query, self._limits)

    def readings(
        self, organization_id: OrganizationId, series: Sequence[SeriesKey], stretches: Sequence[Stretch], limit: int
    ) -> Readings:
        with self._breaker.guard(), self._database.cursor(self._query_timeout_s) as cursor:
            return read_points(cursor, self._files, organization_id, series, stretches, limit)

    def count_points(self, organization_id: OrganizationId) -> int:
        return self._count((Tier.RAW,), organization_id)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        with self._breaker.guard(), self._turn_to_change_all() as (cursor, state):
            delete_series(cursor, self._files, state, organization_id, None)

    def count_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> int:
        return self._count(tuple(Tier), organization_id, tags)

    def delete_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> None:
        with self._breaker.guard(), self._turn_to_change_all() as (cursor, state):
            delete_series(cursor, self._files, state, organization_id, tags)

    def committed_sequence(self, spool_id: UUID) -> int | None:
        with self._turn_to_write(self._write_timeout_s) as (_, state):
            return state.positions.get(spool_id)

    def roll_up(
        self, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None = None
    ) -> RolledUp:
        """A slice is one transaction. Others take turns between two slices."""
        points = windows = 0
        for first_ns, end_ns in slices(tier, from_ns, to_ns):
            with self._breaker.guard(), self._turn_to_roll() as cursor:
                if organization_ids is not None:
                    choose_all_of(cursor, organization_ids)
                is_some = organization_ids is not None
                done = roll_up_slice(cursor, self._files, tier, first_ns, end_ns, of_chosen=is_some)
            points, windows = points + done.points, windows + done.windows
        return RolledUp(points, windows)

    def gaps(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
        with self._breaker.guard(), self._maintaining() as cursor:
            choose_all_of(cursor, [organization_id])
            return gaps_of_chosen(cursor, self._files, tier, from_ns, to_ns)

    def keep(self, kept_ns: Mapping[Tier, int]) -> None:
        """At once, whole files. Each call seals one more file of those that nobody should write to any more."""
        with self._breaker.guard():
            with self._turn_to_change_all() as (cursor, state):
                let_go(cursor, self._files, state, kept_ns, self._clock.now_ns())
            with self._taken(self._sealing, self._delete_timeout_s), self._maintaining() as cursor:
                self._seal_next(cursor)

    def expire(self, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
        with self._breaker.guard(), self._turn_to_change_all() as (cursor, _):
            choose_all_of(cursor, [organization_id])
            for file in self._files.each(tier):
                if file.period.from_ns < before_ns:
                    delete_older(cursor, file, before_ns)

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return self._count((tier,), organization_id)

    def hours_held(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> Mapping[int, int]:
        with self._breaker.guard(), self._maintaining() as cursor:
            return hours_held(cursor, self._files, organization_id, tier, from_ns, to_ns)

    def point_slice(self, organization_id: OrganizationId, from_ns: int, to_ns: int, limit: int) -> PointBatch:
        with self._breaker.guard(), self._database.cursor(self._delete_timeout_s) as cursor:
            return point_slice(cursor, self._files, organization_id, from_ns, to_ns, limit)

    def window_slice(
        self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int, limit: int
    ) -> WindowSlice:
        with self._breaker.guard(), self._database.cursor(self._delete_timeout_s) as cursor:
            return window_slice(cursor, self._files, organization_id, tier, (from_ns, to_ns), limit)

    def write_windows(self, windows: WindowSlice) -> None:
        with self._breaker.guard(), self._turn_to_change_all() as (cursor, state):
            write_windows(cursor, state, self._files, windows)

    def health(self) -> StoreHealth:
        started_s = self._clock.monotonic_s()
        try:
            with self._database.cursor(_HEALTH_TIMEOUT_S) as cursor:
                cursor.execute("SELECT 1").fetchall()
        except StrataError as error:
            return StoreHealth(STORE, is_ready=False, detail=error.detail, version=duckdb.__version__)
        return StoreHealth(
            STORE,
            is_ready=True,
            detail=f"{self._database.size_bytes() / MIB:.1f} MiB on disk",
            version=duckdb.__version__,
            latency_ms=(self._clock.monotonic_s() - started_s) * 1000,
        )

    def close(self) -> None:
        with self._rolling, self._writing:
            self._state = None
            self._database.close()

    def _count(
        self, tiers: Collection[Tier], organization_id: OrganizationId, tags: Sequence[TagPair] | None = None
    ) -> int:
        with self._breaker.guard(), self._database.cursor(self._delete_timeout_s) as cursor:
            return count_kept(cursor, self._files, tiers, organization_id, tags)

    def _seal_next(self, cursor: duckdb.DuckDBPyConnection) -> None:
        """Others write while it is copied: if they wrote to this file, the copy is of no use."""
        found = next_to_seal(cursor, self._files, self._clock.now_ns())
        if found is None:
            return
        changes = found.changes
        with self._files.pinned((found.period.tier, found.period.last_ns, found.period.last_ns + 1)) as (files,):
            if found not in files:
                return
            successor = build_sealed(cursor, self._files, found)
            with self._turn_to_change_all() as (_, state):
                if found.changes != changes or not self._files.holds(found):
                    discard(successor)
                    return
                put_in_place(self._files, found, successor)
                state.forget(found.period)

    @contextmanager
    def _turn_to_write(self, timeout_s: float) -> Iterator[tuple[duckdb.DuckDBPyConnection, WriterState]]:
        with self._taken(self._writing, timeout_s):
            try:
                with self._database.cursor(timeout_s) as cursor:
                    if self._state is None:
                        self._state = WriterState.load(cursor, self._files)
                    yield cursor, self._state
            except DeadlineError as error:
                self._forget()
                raise StoreUnavailableError(STORE, f"a write took longer than {timeout_s:g} s") from error
            except LimitError as error:  # the points are not at fault: with more memory, or less to do, they go in
                self._forget()
                raise StoreUnavailableError(STORE, error.detail) from error
            except BaseException:
                self._forget()
                raise

    @contextmanager
    def _turn_to_roll(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Roll-ups change the files of their tier alone, which writes do not touch."""
        with self._taken(self._rolling, self._delete_timeout_s), self._maintaining() as cursor:
            yield cursor

    @contextmanager
    def _turn_to_change_all(self) -> Iterator[tuple[duckdb.DuckDBPyConnection, WriterState]]:
        with ExitStack() as stack:
            stack.enter_context(self._taken(self._rolling, self._delete_timeout_s))
            yield stack.enter_context(self._turn_to_write(self._delete_timeout_s))

    @contextmanager
    def _maintaining(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """What takes too long or too much memory here is nobody's question: it is tried again."""
        try:
            with self._database.cursor(self._delete_timeout_s) as cursor:
                yield cursor
        except (DeadlineError, LimitError) as error:
            raise StoreUnavailableError(STORE, error.detail) from error

    @contextmanager
    def _taken(self, lock: threading.Lock, timeout_s: float) -> Iterator[None]:
        if not lock.acquire(timeout=timeout_s):
            raise StoreUnavailableError(STORE, f"other writes took longer than {timeout_s:g} s")
        try:
            yield
        finally:
            lock.release()

    def _forget(self) -> None:
        """Whether the last transaction is in is unknown: read all of it again before the next."""
        self._state = None
        self._database.reopen_at_next_use()
