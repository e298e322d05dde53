"""InfluxDB 1.x: a database, and a retention policy a tier."""

import re
import threading
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tiers import Tier
from strata_stores.influx.answers import ResultSeries
from strata_stores.influx.dialect import Span
from strata_stores.influx.influxql import Bindings, delete_span, drop_series, identifier
from strata_stores.influx.keeping import Term
from strata_stores.influx.transport import STORE

_DURATION: Final = re.compile(r"(\d+)(h|m|s)")
_UNIT_S: Final = {"h": 3600, "m": 60, "s": 1}
# 1.8.10 fails a deletion, rarely, while a shard of any other database is being closed: trying again is all it takes.
_CLOSING: Final = "engine is closed"
_DELETIONS_TRIED: Final = 8
_FIRST_PAUSE_S: Final = 0.05  # doubles: six seconds in all

Execute = Callable[[str, Bindings], list[ResultSeries]]
"""Runs one statement in the database."""


class VersionOne:
    def __init__(self, version: str, database: str, execute: Execute) -> None:
        self.version = version
        self._database = database
        self._execute = execute
        self._resting = threading.Event()

    def write_path(self, tier: Tier) -> str:
        return "/write?" + urlencode({"db": self._database, "rp": tier.value, "precision": "ns"})

    def prepare(self, terms: Mapping[Tier, Term]) -> None:
        self._execute(f"CREATE DATABASE {identifier(self._database)}", Bindings())
        present = self._policies()
        for tier, term in terms.items():
            if tier not in present:
                self._execute(f"CREATE RETENTION POLICY {self._on(tier)} {_created(term)}", Bindings())

    def keep(self, terms: Mapping[Tier, Term]) -> None:
        present = self._policies()
        for tier, term in terms.items():
            if present.get(tier) != term:
                self._execute(f"ALTER RETENTION POLICY {self._on(tier)} {_duration(term)} {_shards(term)}", Bindings())

    def delete_series(self, organization_id: OrganizationId, tag: TagPair | None) -> None:
        """Series are of the database, whichever of its tiers they have points in."""
        bindings = Bindings()
        self._delete(drop_series(organization_id, tag, bindings), bindings)

    def delete_span(self, span: Span) -> None:
        bindings = Bindings()
        self._delete(delete_span(span, bindings), bindings)

    def _delete(self, statement: str, bindings: Bindings) -> None:
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

    def _on(self, tier: Tier) -> str:
        return f"{identifier(tier.value)} ON {identifier(self._database)}"

    def _policies(self) -> Mapping[str, Term]:
        answer = self._execute(f"SHOW RETENTION POLICIES ON {identifier(self._database)}", Bindings())
        rows = [dict(zip(part.columns, row, strict=True)) for part in answer for row in part.values]
        return {
            str(row["name"]): Term(_seconds(str(row["duration"])) or None, _seconds(str(row["shardGroupDuration"])))
            for row in rows
        }


def _seconds(duration: str) -> int:
    parts = _DURATION.findall(duration)
    if not parts:
        raise StoreRefusedError(STORE, f"says a retention of {duration!r}, which is not understood")
    return sum(int(number) * _UNIT_S[unit] for number, unit in parts)


def _duration(term: Term) -> str:
    return "DURATION INF" if term.kept_s is None else f"DURATION {term.kept_s}s"


def _shards(term: Term) -> str:
    return f"SHARD DURATION {term.shard_s}s"


def _created(term: Term) -> str:
    return f"{_duration(term)} REPLICATION 1 {_shards(term)}"
