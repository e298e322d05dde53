"""Drains one spool into one store, in order, for as long as it takes."""

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic

import structlog

from strata_core.ports.clock import Clock
from strata_core.ports.spool import Spool
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import ConflictError, DeadlineError, StrataError, UnavailableError
from strata_datamodel.health import StoreHealth
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import MIB
from strata_datamodel.spooling import SpoolRecord
from strata_ingest.arrivals import Arrival, B
from strata_ingest.burying import bury_record
from strata_ingest.instruments import WriterInstruments
from strata_ingest.landing import Landed, Landing
from strata_ingest.tombstones import Closed, NoneClosed

_WAIT_S: Final = 0.2  # also how long a stop may take while there is nothing to do
_RECORDS: Final = 1_000
_READ_BYTES: Final = 16 * MIB
_ITEMS: Final = 150_000  # beyond this a store gains nothing from a larger batch
_TRIES: Final = 3
_LATE_S: Final = 60.0
_SECOND_NS: Final = 1_000_000_000
_SWEPT_AGAIN_S: Final = 10.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    first_s: float = 0.2
    longest_s: float = 10.0

    def pause_s(self, attempt: int) -> float:
        """With jitter: writers that failed together must not come back together."""
        longest = min(self.longest_s, self.first_s * float(1 << min(attempt, 16)))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


DEFAULT_BACKOFF: Final = Backoff()


class _StoppingError(Exception):
    """The writer was told to stop while it waited. What it held is still in the spool."""


class SpoolWriter(Generic[B]):
    """One a spool and process, with a thread of its own. A record is acknowledged once it is in the store and on the
    books, or in the dead letters. An unavailable store is waited for; a record that cannot be landed blocks nobody."""

    def __init__(
        self,
        spool: Spool,
        landing: Landing[B],
        units: UnitsOfWork,
        clock: Clock,
        instruments: WriterInstruments,
        *,
        backoff: Backoff = DEFAULT_BACKOFF,
        items_per_write: int = _ITEMS,
        closed: Closed | None = None,
    ) -> None:
        self._spool = spool
        self._landing = landing
        self._units = units
        self._clock = clock
        self._instruments = instruments
        self._backoff = backoff
        self._items_per_write = items_per_write
        self._closed = closed or NoneClosed()
        self._touched: set[OrganizationId] = set()
        self._sweep_at_s = 0.0
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._done = spool.acknowledged
        self._committed: int | None = None
        self._last_error: str | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=f"writer-{self._landing.signal}", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> bool:
        """True when the thread has ended: only then may the spool and the store be closed."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def health(self) -> StoreHealth:
        """Never raises."""
        name = f"writer_{self._landing.signal}"
        if self._thread is None or not self._thread.is_alive():
            return StoreHealth(name, is_ready=False, detail="not running")
        age_s = self.oldest_age_s()
        error = self._last_error
        detail = f"oldest waits {age_s:.0f} s" + (f"; last error: {error}" if error else "")
        return StoreHealth(name, is_ready=error is None or age_s < _LATE_S, detail=detail)

    def oldest_age_s(self) -> float:
        oldest_ns = self._spool.depth().oldest_received_at_ns
        return 0.0 if oldest_ns is None else max(0.0, (self._clock.now_ns() - oldest_ns) / _SECOND_NS)

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                self._pass()
                failures = 0
            except _StoppingError:
                return
            except Exception as error:  # noqa: BLE001 - the loop of the process: nobody else would drain the spool
                failures += 1
                self._note(error)
                self._stopping.wait(self._backoff.pause_s(failures))

    def _pass(self) -> None:
        if not self._closed.is_known:
            self._stopping.wait(_WAIT_S)
            return
        self._sweep()
        if not self._spool.wait_for_records(self._done, _WAIT_S):
            return
        records = self._spool.read(self._done, max_records=_RECORDS, max_bytes=_READ_BYTES)
        for chunk in self._parsed_chunks(records):
            self._land(chunk)
            self._finish(chunk[-1].sequence)
        if records:
            self._finish(records[-1].position.sequence)

    def _sweep(self) -> None:
        """Of an organization that was deleted while its records were on their way, some may be in the store since its
        deletion looked there: be it from this process, or from one that died before it acknowledged them."""
        late = self._touched & self._closed.gone
        if not late or self._clock.monotonic_s() < self._sweep_at_s:
            return
        for organization_id in late:
            try:
                self._landing.forget(organization_id)
            except StrataError as error:  # the others' records do not wait for it
                self._note(error)
                self._sweep_at_s = self._clock.monotonic_s() + _SWEPT_AGAIN_S
            else:
                self._touched.discard(organization_id)

    def _finish(self, sequence: int) -> None:
        self._spool.acknowledge(sequence)
        self._landing.pass_by(sequence)
        self._done = sequence
        self._last_error = None

    def _parsed_chunks(self, records: Sequence[SpoolRecord]) -> Iterator[list[Arrival[B]]]:
        chunk: list[Arrival[B]] = []
        items = 0
        for record in records:
            arrival = self._parsed(record)
            if arrival is None:
                continue
            if chunk and items + arrival.size > self._items_per_write:
                yield chunk
                chunk, items = [], 0
            chunk.append(arrival)
            items += arrival.size
        if chunk:
            yield chunk

    def _parsed(self, record: SpoolRecord) -> Arrival[B] | None:
        self._touched.add(record.envelope.organization_id)
        if record.envelope.organization_id in self._closed.standing:
            self._instruments.dropped.labels(self._landing.signal).inc()
            return None
        for attempt in range(_TRIES):
            try:
                return self._landing.parse(record)
            except Exception as error:  # noqa: BLE001 - a poison record must block nobody, whatever it breaks
                self._note(error)
                if attempt == _TRIES - 1 or isinstance(error, StrataError):
                    self._bury(record, f"cannot be parsed: {_shown(error)}")
                    return None
                self._pause(attempt)
        return None

    def _land(self, chunk: Sequence[Arrival[B]]) -> None:
        error = self._landing_error(chunk)
        if error is None:
            return
        if len(chunk) > 1:
            for arrival in chunk:
                self._land([arrival])
        else:
            self._bury(chunk[0].record, _shown(error))

    def _landing_error(self, chunk: Sequence[Arrival[B]]) -> Exception | None:
        """None when the chunk is in; else why it never will be."""
        failures = 0
        while True:
            try:
                landed = self._patiently(lambda: self._landing.land(chunk, self._committed_through()))
            except StrataError as error:
                self._note(error)
                return error
            except _StoppingError:
                raise
            except Exception as error:  # noqa: BLE001 - a bug in an adapter may pass, and must not stop the others
                self._note(error)
                failures += 1
                if failures == _TRIES:
                    return error
                self._pause(failures)
            else:
                self._count(landed)
                return None

    def _bury(self, record: SpoolRecord, reason: str) -> None:
        try:
            self._patiently(lambda: bury_record(self._units, self._landing.store, record, reason))
        except StrataError as error:
            # The organization is gone, most likely: there is nobody left whose letter this could be.
            _log.exception("record_lost", batch_id=str(record.envelope.batch_id), reason=reason, error=error.detail)
            self._instruments.lost.labels(self._landing.signal).inc()
        else:
            self._instruments.dead_letters.labels(self._landing.signal).inc()

    def _patiently(self, act: Callable[[], Landed | None]) -> Landed | None:
        """For as long as something is unavailable, again. All else is raised."""
        attempt = 0
        while True:
            try:
                return act()
            except StrataError as error:
                if not _may_pass(error):
                    raise
                self._note(error)
                self._committed = None  # part of it may be in by now
                self._instruments.retries.labels(self._landing.signal).inc()
                self._pause(attempt)
                attempt += 1

    def _committed_through(self) -> int:
        if self._committed is None:
            self._committed = self._landing.committed_sequence(self._spool.spool_id) or 0
        return self._committed

    def _count(self, landed: Landed | None) -> None:
        if landed is not None:
            self._instruments.written.labels(self._landing.signal).inc(landed.written)
            self._instruments.dead_letters.labels(self._landing.signal).inc(landed.buried)

    def _pause(self, attempt: int) -> None:
        if self._stopping.wait(self._backoff.pause_s(attempt)):
            raise _StoppingError

    def _note(self, error: Exception) -> None:
        self._last_error = _shown(error)
        if isinstance(error, StrataError):
            _log.warning("writer_held_up", signal=self._landing.signal.value, error=error.detail, code=error.code)
        else:
            _log.error("writer_failed", signal=self._landing.signal.value, exc_info=error)


def _may_pass(error: StrataError) -> bool:
    return isinstance(error, UnavailableError | DeadlineError) or (
        isinstance(error, ConflictError) and error.code == "concurrent_update"
    )


def _shown(error: Exception) -> str:
    return error.detail if isinstance(error, StrataError) else f"{type(error).__name__}: {error}"
