"""InfluxDB 1.x: a database, and a retention policy a tier."""

import re
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.influxql import Bindings, Place, drop_series, identifier
from strata_stores.influx.transport import STORE

_DURATION: Final = re.compile(r"(\d+)(h|m|s)")
_UNIT_S: Final = {"h": 3600, "m": 60, "s": 1}
# 1.8.10 fails a deletion, rarely, while a shard of any other database is being closed: trying again is all it takes.
_CLOSING: Final = "engine is closed"
_DELETIONS_TRIED: Final = 8
_FIRST_PAUSE_S: Final = 0.05  # doubles: six seconds in all

Execute = Callable[[str, Bindings], list[ResultSeries]]
"""Runs one statement in the database of the place."""


class VersionOne:
    def __init__(self, version: str, place: Place, execute: Execute) -> None:
        self.version = version
        self._place = place
        self._execute = execute
        self._resting = threading.Event()
        self.write_path = "/write?" + urlencode({"db": place.database, "rp": place.tier, "precision": "ns"})

    def prepare(self, retention: timedelta | None) -> None:
        self._execute(f"CREATE DATABASE {identifier(self._place.database)}", Bindings())
        wanted_s = None if retention is None else int(retention.total_seconds())
        present = self._policies()
        if self._place.tier not in present:
            self._execute(f"CREATE RETENTION POLICY {self._on()} {_terms(wanted_s)}", Bindings())
        elif _is_shorter(present[self._place.tier], wanted_s):
            self._execute(f"ALTER RETENTION POLICY {self._on()} {_duration(wanted_s)}", Bindings())

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        bindings = Bindings()
        statement = drop_series(organization_id, tag, bindings)
        for tried in range(_DELETIONS_TRIED):
            try:
                self._execute(statement, bindings)
            except StoreUnavailableError as error:
                if _CLOSING not in error.detail:
                    raise
                self._resting.wait(_FIRST_PAUSE_S * 2**tried)
            else:
                return
        raise StoreUnavailableError(STORE, "is closing shards, and cannot delete meanwhile")

    def _on(self) -> str:
        return f"{identifier(self._place.tier)} ON {identifier(self._place.database)}"

    def _policies(self) -> Mapping[str, int | None]:
        """Seconds of each policy; None keeps for ever."""
        answer = self._execute(f"SHOW RETENTION POLICIES ON {identifier(self._place.database)}", Bindings())
        rows = [dict(zip(part.columns, row, strict=True)) for part in answer for row in part.values]
        return {str(row["name"]): _seconds(str(row["duration"])) for row in rows}


def _seconds(duration: str) -> int | None:
    parts = _DURATION.findall(duration)
    if not parts:
        raise StoreRefusedError(STORE, f"says a retention of {duration!r}, which is not understood")
    return sum(int(number) * _UNIT_S[unit] for number, unit in parts) or None


def _is_shorter(present_s: int | None, wanted_s: int | None) -> bool:
    return present_s is not None and (wanted_s is None or present_s < wanted_s)


def _duration(seconds: int | None) -> str:
    return "DURATION INF" if seconds is None else f"DURATION {seconds}s"


def _terms(seconds: int | None) -> str:
    return f"{_duration(seconds)} REPLICATION 1"
