"""Lists read from replicas: from those that are as new as is asked for, and else from the primary."""

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog
from sqlalchemy import Engine, text

from strata_core.ports.clock import Clock
from strata_core.ports.list_reader import ListedRow, ListReader, Question
from strata_datamodel.errors import InvalidError, StrataError
from strata_datamodel.health import StoreHealth
from strata_stores.breaker import Breaker
from strata_stores.postgres.failures import mapped
from strata_stores.postgres.straight_reads import StraightReads

_LOOKED_AT_S: Final = 1.0
_WRITTEN: Final = text("SELECT pg_current_wal_lsn()::text")
# What was replayed last is old also when nothing was written since: only a replica that lacks something lags.
_STATE: Final = text("""
    SELECT pg_is_in_recovery() AS is_replica, pg_last_wal_replay_lsn() >= CAST(:written AS pg_lsn) AS has_all,
        extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS behind_s
""")
_log = structlog.get_logger("strata.postgres")


@dataclass(slots=True)
class Replica:
    """`looked_at_s` is by the monotonic clock."""

    name: str
    engine: Engine
    breaker: Breaker
    is_fresh: bool = False
    looked_at_s: float | None = None
    detail: str = "not looked at yet"


class RoutedReads:
    """Each replica is looked at once a second, when it is needed. One that is down, lags more than `lag_s`, or was
    promoted, serves nobody; whatever a replica refuses, the primary is asked."""

    def __init__(
        self, primary: ListReader, engine: Engine, replicas: Sequence[Replica], clock: Clock, *, lag_s: float
    ) -> None:
        self._primary = primary
        self._engine = engine
        self._replicas = [(each, StraightReads(each.engine, clock, each.breaker)) for each in replicas]
        self._clock = clock
        self._lag_s = lag_s
        self._turns = itertools.count()
        self._looking = threading.Lock()

    def page(self, question: Question) -> Sequence[ListedRow]:
        turn = next(self._turns)
        for place in range(len(self._replicas)):
            replica, reads = self._replicas[(turn + place) % len(self._replicas)]
            if not self._is_fresh(replica):
                continue
            try:
                return reads.page(question)
            except InvalidError:
                raise
            except StrataError as error:
                _log.warning("replica_refused", replica=replica.name, error=error.detail)
                replica.is_fresh = False
                replica.detail = error.detail
        return self._primary.page(question)

    def health(self) -> list[StoreHealth]:
        """Never raises. None of them is needed."""
        return [
            StoreHealth(each.name, is_ready=self._is_fresh(each), detail=each.detail, is_required=False)
            for each, _ in self._replicas
        ]

    def _is_fresh(self, replica: Replica) -> bool:
        now_s = self._clock.monotonic_s()
        if replica.looked_at_s is not None and now_s - replica.looked_at_s < _LOOKED_AT_S:
            return replica.is_fresh
        if not self._looking.acquire(blocking=False):  # somebody looks this moment, be it at a dead one
            return replica.is_fresh
        try:
            replica.is_fresh, replica.detail = self._look(replica)
            replica.looked_at_s = self._clock.monotonic_s()
        finally:
            self._looking.release()
        return replica.is_fresh

    def _look(self, replica: Replica) -> tuple[bool, str]:
        try:
            with replica.breaker.guard():
                return mapped(lambda: self._state(replica))
        except StrataError as error:
            return False, error.detail

    def _state(self, replica: Replica) -> tuple[bool, str]:
        with self._engine.connect() as primary:
            written = primary.execute(_WRITTEN).scalar_one()
        with replica.engine.connect() as connection:
            state = connection.execute(_STATE, {"written": written}).mappings().one()
        if not state["is_replica"]:
            return False, "is no replica"
        if state["has_all"]:
            return True, "has all that was written"
        behind_s = state["behind_s"]
        if behind_s is None or behind_s > self._lag_s:
            return False, f"lags {'since it started' if behind_s is None else f'{behind_s:.0f} s'}"
        return True, f"{behind_s:.1f} s behind"
