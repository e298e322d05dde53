"""The metric store of embedded mode: one file, one process, one writer."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
from strata_datamodel.metrics import MetricAnswer, MetricQuery, PointBatch, TagPair, WriteOutcome
from strata_stores.breaker import Breaker
from strata_stores.duckdb.answering import AnswerLimits, answer
from strata_stores.duckdb.database import STORE, Database
from strata_stores.duckdb.erasing import count_points, delete_points
from strata_stores.duckdb.writing import WriterState, write_batch

_HEALTH_TIMEOUT_S: Final = 2.0


class DuckDbMetricStore:
    """Writes take turns; readers do not wait for them. Time-outs are per call and interrupt what is running."""

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
        self._writing = threading.Lock()
        self._state: WriterState | None = None

    def prepare(self) -> None:
        with self._turn_to_write(self._write_timeout_s):
            pass

    def write(self, batch: PointBatch) -> WriteOutcome:
        with self._breaker.guard(), self._turn_to_write(self._write_timeout_s) as (cursor, state):
            return write_batch(cursor, state, batch)

    def query(self, query: MetricQuery) -> MetricAnswer:
        check_query(query)
        with self._breaker.guard(), self._database.cursor(self._query_timeout_s) as cursor:
            return answer(cursor, query, self._limits)

    def count_points(self, organization_id: OrganizationId) -> int:
        with self._breaker.guard(), self._database.cursor(self._delete_timeout_s) as cursor:
            return count_points(cursor, organization_id, None)

    def delete_organization(self, organization_id: OrganizationId) -> None:
        with self._breaker.guard(), self._turn_to_write(self._delete_timeout_s) as (cursor, state):
            delete_points(cursor, state, organization_id, None)

    def count_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> int:
        with self._breaker.guard(), self._database.cursor(self._delete_timeout_s) as cursor:
            return count_points(cursor, organization_id, tags)

    def delete_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> None:
        with self._breaker.guard(), self._turn_to_write(self._delete_timeout_s) as (cursor, state):
            delete_points(cursor, state, organization_id, tags)

    def committed_sequence(self, spool_id: UUID) -> int | None:
        with self._turn_to_write(self._write_timeout_s) as (_, state):
            return state.positions.get(spool_id)

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
        with self._writing:
            self._state = None
            self._database.close()

    @contextmanager
    def _turn_to_write(self, timeout_s: float) -> Iterator[tuple[duckdb.DuckDBPyConnection, WriterState]]:
        if not self._writing.acquire(timeout=timeout_s):
            raise StoreUnavailableError(STORE, f"other writes took longer than {timeout_s:g} s")
        try:
            with self._database.cursor(timeout_s) as cursor:
                if self._state is None:
                    self._state = WriterState.load(cursor)
                yield cursor, self._state
        except DeadlineError as error:
            self._forget()
            raise StoreUnavailableError(STORE, f"a write took longer than {timeout_s:g} s") from error
        except LimitError as error:  # the points are not at fault: with more memory, or less else to do, they go in
            self._forget()
            raise StoreUnavailableError(STORE, error.detail) from error
        except BaseException:
            self._forget()
            raise
        finally:
            self._writing.release()

    def _forget(self) -> None:
        """Whether the last transaction is in is unknown: read all of it again before the next."""
        self._state = None
        self._database.reopen_at_next_use()
