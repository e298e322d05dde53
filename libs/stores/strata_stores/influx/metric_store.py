"""The metric store of server mode: InfluxDB, whichever of its versions answers."""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit
from uuid import UUID

import numpy as np

from strata_core.metrics.rules import check_query
from strata_core.ports.clock import Clock
from strata_datamodel.errors import StrataError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB, QUERY_POINTS, QUERY_RAW_POINTS, QUERY_SERIES, QUERY_TIMEOUT_S
from strata_datamodel.metrics import (
    MetricAnswer,
    MetricQuery,
    PointBatch,
    Readings,
    Rejection,
    SeriesKey,
    TagPair,
    WriteOutcome,
)
from strata_datamodel.slices import WindowSlice
from strata_datamodel.tiers import KEPT_NS, Gap, RolledUp, Stretch, Tier
from strata_stores.breaker import Breaker
from strata_stores.influx.answering import AnswerLimits, answer
from strata_stores.influx.answers import ResultSeries, query_error, result_series
from strata_stores.influx.dialect import Dialect, Span
from strata_stores.influx.expiring import expire
from strata_stores.influx.gap_finding import gaps
from strata_stores.influx.influxql import Bindings, Place, count_everything
from strata_stores.influx.joined_lines import joined_lines
from strata_stores.influx.keeping import terms_of
from strata_stores.influx.lines import LineEncoder, Lines, SeriesLine, encode, refused_rows
from strata_stores.influx.reading import readings
from strata_stores.influx.refusals import is_accepted, refusal_in, refused_lines
from strata_stores.influx.rolling_up import Link, roll_up
from strata_stores.influx.slicing import hours_held, point_slice, window_slice, write_windows
from strata_stores.influx.stitching import stitched
from strata_stores.influx.transport import STORE, Credentials, Reply, Transport
from strata_stores.influx.version_one import VersionOne

_LINES_PER_REQUEST: Final = 10_000
_POINTS_PER_REQUEST: Final = 30_000
_BODY_BYTES: Final = 8 * MIB  # InfluxDB refuses more than 25 MB by default
_HEALTH_TIMEOUT_S: Final = 2.0
_QUERY: Final = "/query"
_CHUNK_ROWS: Final = 10_000


class InfluxMetricStore:
    """All tiers. Credentials may also stand in the URL, as user:password@. `kept_ns` is of tiers that `prepare` makes;
    None keeps for ever."""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        token: str | None = None,
        username: str | None = None,
        password: str | None = None,
        organization: str = "strata",
        database: str = "strata",
        kept_ns: Mapping[Tier, int] | None = KEPT_NS,
        breaker: Breaker | None = None,
        connect_timeout_s: float = 3.0,
        query_timeout_s: float = QUERY_TIMEOUT_S,
        write_timeout_s: float = 15.0,
        delete_timeout_s: float = 300.0,
        ca_file: Path | None = None,
        connections: int = 16,
        max_series: int = QUERY_SERIES,
        max_points: int = QUERY_POINTS,
        max_readings: int = QUERY_RAW_POINTS,
    ) -> None:
        parts = urlsplit(url)
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        self._token = token
        credentials = Credentials(token, username or _decoded(parts.username), password or _decoded(parts.password))
        self._clock = clock
        self._organization = organization
        self._raw = Place(database, Tier.RAW)
        self._database = database
        self._terms = terms_of(kept_ns)
        self._breaker = breaker or Breaker(STORE, clock)
        self._query_timeout_s = query_timeout_s
        self._write_timeout_s = write_timeout_s
        self._delete_timeout_s = delete_timeout_s
        self._ca_file = ca_file
        self._limits = AnswerLimits(max_series, max_points, max_readings)
        self._transport = Transport(
            self._url,
            clock,
            credentials,
            connect_timeout_s=connect_timeout_s,
            ca_file=ca_file,
            connections=connections,
        )
        self._encoder = LineEncoder()
        self._learning = threading.Lock()
        self._dialect: Dialect | None = None

    def prepare(self) -> None:
        with self._breaker.guard():
            self._known_dialect().prepare(self._terms)

    def write(self, batch: PointBatch) -> WriteOutcome:
        series = self._encoder.series_lines(batch.organization_id, batch.series)
        refused = refused_rows(batch, series)
        rows = np.arange(len(batch), dtype=np.int64)
        if refused:
            rows = np.delete(rows, list(refused))
        with self._breaker.guard():
            for some, body in _bodies(batch, series, rows):
                if not self._is_taken_whole(body):
                    for lines in _requests(batch, series, some):
                        refused |= dict(refused_lines(lines, self._post))
        return WriteOutcome(len(batch) - len(refused), tuple(Rejection(row, refused[row]) for row in sorted(refused)))

    def query(self, query: MetricQuery) -> MetricAnswer:
        check_query(query)
        with self._breaker.guard():
            if all(stretch.tier is Tier.RAW for stretch in query.stretches):
                return answer(self._ask, self._raw, query, self._limits)
            return stitched(self._ask, self._database, query, self._limits)

    def readings(
        self, organization_id: OrganizationId, series: Sequence[SeriesKey], stretches: Sequence[Stretch], limit: int
    ) -> Readings:
        with self._breaker.guard():
            return readings(self._ask, self._database, organization_id, series, stretches, limit)

    def roll_up(
        self, tier: Tier, from_ns: int, to_ns: int, organization_ids: Collection[OrganizationId] | None = None
    ) -> RolledUp:
        with self._breaker.guard():
            return roll_up(self._link(), tier, from_ns, to_ns, organization_ids)

    def gaps(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> tuple[Gap, ...]:
        with self._breaker.guard():
            return gaps(self._link(), organization_id, tier, from_ns, to_ns)

    def keep(self, kept_ns: Mapping[Tier, int]) -> None:
        with self._breaker.guard():
            self._known_dialect().keep(terms_of(kept_ns))

    def expire(self, organization_id: OrganizationId, tier: Tier, before_ns: int) -> None:
        with self._breaker.guard():
            expire(self._link(), organization_id, tier, before_ns)

    def hours_held(self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int) -> Mapping[int, int]:
        with self._breaker.guard():
            return hours_held(self._link(), organization_id, tier, from_ns, to_ns)

    def point_slice(self, organization_id: OrganizationId, from_ns: int, to_ns: int, limit: int) -> PointBatch:
        with self._breaker.guard():
            return point_slice(self._link(), organization_id, from_ns, to_ns, limit)

    def window_slice(
        self, organization_id: OrganizationId, tier: Tier, from_ns: int, to_ns: int, limit: int
    ) -> WindowSlice:
        with self._breaker.guard():
            return window_slice(self._link(), organization_id, tier, (from_ns, to_ns), limit)

    def write_windows(self, windows: WindowSlice) -> None:
        with self._breaker.guard():
            write_windows(self._link(), windows)

    def count_windows(self, organization_id: OrganizationId, tier: Tier) -> int:
        return self._counted(organization_id, (tier,))

    def count_points(self, organization_id: OrganizationId) -> int:
        return self._counted(organization_id, (Tier.RAW,))

    def delete_organization(self, organization_id: OrganizationId) -> None:
        with self._breaker.guard():
            self._known_dialect().delete_series(organization_id, None)

    def count_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> int:
        if not tags:
            return 0
        return self._counted(organization_id, tuple(Tier), tags)

    def delete_matching(self, organization_id: OrganizationId, tags: Sequence[TagPair]) -> None:
        with self._breaker.guard():
            for tag in tags:
                self._known_dialect().delete_series(organization_id, tag)

    def committed_sequence(self, spool_id: UUID) -> int | None:
        return None

    def health(self) -> StoreHealth:
        """Asks past the breaker: its state is the caller's, this is the store's."""
        started_s = self._clock.monotonic_s()
        version = ""
        try:
            version = self._learn_version()
            with self._ask(["SHOW DATABASES"], Bindings(), _HEALTH_TIMEOUT_S) as parts:
                names = {row[0] for part in parts for row in part.values}
        except StrataError as error:
            return StoreHealth(STORE, is_ready=False, detail=error.detail, version=version)
        latency_ms = (self._clock.monotonic_s() - started_s) * 1000
        if self._database not in names:
            return StoreHealth(STORE, is_ready=False, detail=f"has no database {self._database}", version=version)
        return StoreHealth(STORE, is_ready=True, detail="answers", version=version, latency_ms=latency_ms)

    def server_time(self) -> datetime | None:
        """To the second, rounded down: what every HTTP server puts on its answers, where it puts one on."""
        said = self._transport.ask("GET", "/ping", timeout_s=_HEALTH_TIMEOUT_S).headers.get("Date")
        try:
            return None if said is None else parsedate_to_datetime(said)
        except ValueError:
            return None

    def close(self) -> None:
        self._transport.close()

    def _counted(self, organization_id: OrganizationId, tiers: Sequence[Tier], tags: Sequence[TagPair] = ()) -> int:
        bindings = Bindings()
        places = [Place(self._database, tier) for tier in tiers]
        statements = [count_everything(place, organization_id, bindings, tags) for place in places]
        with self._breaker.guard(), self._ask(statements, bindings, self._delete_timeout_s) as parts:
            return sum(count or 0 for part in parts for row in part.values for count in row[1:])

    def _known_dialect(self) -> Dialect:
        with self._learning:
            if self._dialect is None:
                self._dialect = self._dialect_of(self._learn_version())
            return self._dialect

    def _learn_version(self) -> str:
        """Every InfluxDB says its version with each answer; what only resembles one is taken for a 2.x."""
        reply = self._transport.ask("GET", "/ping", timeout_s=_HEALTH_TIMEOUT_S)
        if reply.status >= 500:
            raise reply.unavailable()
        return reply.headers.get("X-Influxdb-Version", "unknown").removeprefix("v")

    def _dialect_of(self, version: str) -> Dialect:
        if version.startswith("1."):
            return VersionOne(version, self._database, self._execute)
        from strata_stores.influx.version_two import VersionTwo  # noqa: PLC0415 - 0.6 s that 1.x need not wait for

        return VersionTwo(
            version,
            self._database,
            url=self._url,
            token=self._token,
            organization=self._organization,
            timeout_s=self._delete_timeout_s,
            ca_file=self._ca_file,
        )

    def _execute(self, statement: str, bindings: Bindings) -> list[ResultSeries]:
        with self._ask([statement], bindings, self._delete_timeout_s) as parts:
            return list(parts)

    @contextmanager
    def _ask(
        self, statements: list[str], bindings: Bindings, timeout_s: float | None = None, *, is_kept: bool = True
    ) -> Iterator[Iterator[ResultSeries]]:
        parameters = {
            "q": "; ".join(statements),
            "params": bindings.as_json(),
            "db": self._database,
            "rp": Tier.RAW.value,
            "epoch": "ns",
            "chunked": "true",  # unchunked answers are cut at the store's max-row-limit
            "chunk_size": str(_CHUNK_ROWS),
        }
        limit_s = timeout_s or self._query_timeout_s
        with self._transport.stream(_QUERY, parameters, timeout_s=limit_s, is_kept=is_kept) as reply:
            if isinstance(reply, Reply):
                raise query_error(reply.message()) if reply.status == 400 else reply.unavailable()
            yield result_series(reply, len(statements))

    def _is_taken_whole(self, body: bytes) -> bool:
        """If not, each point has a line of its own when it is looked for."""
        reply = self._send(Tier.RAW, body)
        if not is_accepted(reply) and refusal_in(reply) is None:
            raise reply.unavailable()
        return is_accepted(reply)

    def _post(self, lines: Lines) -> Reply:
        return self._send(Tier.RAW, lines.body())

    def _send(self, tier: Tier, lines: bytes) -> Reply:
        dialect = self._known_dialect()
        reply = self._transport.send_lines(dialect.write_path(tier), lines, timeout_s=self._write_timeout_s)
        if "not found" in reply.message() and reply.status in (404, 500):  # the database or the tier was dropped
            dialect.prepare(self._terms)
            reply = self._transport.send_lines(dialect.write_path(tier), lines, timeout_s=self._write_timeout_s)
        return reply

    def _link(self) -> Link:
        def delete(span: Span) -> None:
            self._known_dialect().delete_span(span)

        ask = partial(self._ask, timeout_s=self._delete_timeout_s, is_kept=False)
        return Link(self._database, ask, self._send, delete)


def _bodies(batch: PointBatch, series: list[SeriesLine], rows: np.ndarray) -> Iterator[tuple[np.ndarray, bytes]]:
    """With the rows that are in each, in the order of the batch."""
    pending = [rows[first : first + _POINTS_PER_REQUEST] for first in range(0, len(rows), _POINTS_PER_REQUEST)][::-1]
    while pending:
        some = pending.pop()
        body = joined_lines(batch, series, some)
        if len(body) > _BODY_BYTES and len(some) > 1:
            middle = len(some) // 2
            pending += [some[middle:], some[:middle]]
        else:
            yield some, body


def _requests(batch: PointBatch, series: list[SeriesLine], rows: np.ndarray) -> Iterator[Lines]:
    """In the order of the batch, so that of two rows with one series and time the later stays."""
    for first in range(0, len(rows), _LINES_PER_REQUEST):
        lines = encode(batch, series, rows[first : first + _LINES_PER_REQUEST])
        ends = np.cumsum([len(text) + 1 for text in lines.texts])
        for request in np.split(np.arange(len(lines)), np.flatnonzero(np.diff(ends // _BODY_BYTES)) + 1):
            yield lines.take(request) if len(request) < len(lines) else lines


def _decoded(part: str | None) -> str | None:
    return None if part is None else unquote(part)
