"""The newest values of hosts, told to where they stand ready once their points are in the store: behind the writer, and
never in its way."""

import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import structlog
from prometheus_client import Counter

from strata_core.ports.latest_values import LatestValues
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import LatestValue, Metric
from strata_datamodel.metrics import PointBatch, Rejection
from strata_ingest.newest_points import NewestPoints, newest_points

_PAUSE_S: Final = 1.0
_HELD: Final = 100_000
_Hosts = dict[str, dict[Metric, LatestValue]]
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    """Of one organization. Points stay columns until they are told: nearly all are passed by newer ones before, and
    those of series that come together again and again take each other's place."""

    size: int = 0
    _hosts: _Hosts = field(default_factory=dict)
    _points: list[NewestPoints] = field(default_factory=list)
    _by_series: dict[int, NewestPoints] = field(default_factory=dict)
    """Those without texts, by the identity of their series, which they hold."""

    def take(self, newest: NewestPoints) -> None:
        known = None if newest.texts else self._by_series.get(id(newest.series))
        if known is not None:
            known.take(newest)
            return
        self._points.append(newest)
        self.size += len(newest)
        if not newest.texts:
            self._by_series[id(newest.series)] = newest

    def told(self) -> _Hosts:
        """And held as that from now on."""
        points, self._points, self._by_series = self._points, [], {}
        for each in points:
            self.size -= len(each)
            for host, metric, value in each.told():
                self._keep(host, metric, value)
        return self._hosts

    def take_back(self, hosts: _Hosts) -> None:
        for host, values in hosts.items():
            for metric, value in values.items():
                self._keep(host, metric, value)

    def _keep(self, host: str, metric: Metric, value: LatestValue) -> None:
        values = self._hosts.setdefault(host, {})
        old = values.get(metric)
        self.size += old is None
        if old is None or value.outranks(old):
            values[metric] = value


class NewestValues:
    """Coalesced for a second, bounded, and sent again when they could not be. What is given up, and what an earlier
    process may have died with, is made up for: the organization's values are doubted, so that the next reader asks the
    metric store."""

    def __init__(
        self, latest: LatestValues, given_up: Counter, *, held: int = _HELD, pause_s: float = _PAUSE_S
    ) -> None:
        self._latest = latest
        self._given_up = given_up
        self._max_held = held
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._held: dict[OrganizationId, _Held] = {}
        self._count = 0
        self._known: set[OrganizationId] = set()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="newest-values", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tries once more to send what is held. Idempotent."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._send()

    def note(self, batch: PointBatch, refused: Collection[Rejection] = ()) -> None:
        """Of points that are in the store, all but the refused ones."""
        newest = newest_points(batch, refused)
        with self._lock:
            held = self._held.setdefault(batch.organization_id, _Held())
            before = held.size
            held.take(newest)
            self._count += held.size - before
            is_too_much = self._is_too_much()
        if is_too_much:
            self._give_up()

    def doubt(self, organization_id: OrganizationId) -> None:
        """Points of it came into the store that were not noted here."""
        with self._lock:
            self._known.add(organization_id)
        self._latest.doubt(organization_id)

    def forget(self, organization_id: OrganizationId) -> None:
        with self._lock:
            self._count -= self._held.pop(organization_id, _Held()).size
            self._known.discard(organization_id)

    def _run(self) -> None:
        while not self._stopping.wait(self._pause_s):
            try:
                self._send()
            except Exception:  # the loop of the process: nobody else would tell them
                log.exception("newest_values_not_sent")

    def _send(self) -> None:
        with self._sending:
            with self._lock:
                taken, self._held, self._count = self._held, {}, 0
                strange = taken.keys() - self._known
                self._known |= strange
            for organization_id in strange:
                # Whoever wrote for it before this process may have died with values in hand.
                self._latest.doubt(organization_id)
            for organization_id, held in taken.items():
                hosts = held.told()
                try:
                    self._latest.write(organization_id, hosts)
                except UnavailableError as error:
                    log.info("newest_values_wait", reason=error.detail)
                    self._take_back(organization_id, hosts)

    def _take_back(self, organization_id: OrganizationId, hosts: _Hosts) -> None:
        with self._lock:
            held = self._held.setdefault(organization_id, _Held())
            before = held.size
            held.take_back(hosts)
            self._count += held.size - before
            is_too_much = self._is_too_much()
        if is_too_much:
            self._give_up()

    def _is_too_much(self) -> bool:
        """Counted by series at first, and by what would be told of them only when those are too many."""
        if self._count > self._max_held:
            for held in self._held.values():
                held.told()
            self._count = sum(held.size for held in self._held.values())
        return self._count > self._max_held

    def _give_up(self) -> None:
        with self._lock:
            given_up, self._held = self._held, {}
            self._given_up.inc(self._count)
            self._count = 0
            self._known |= given_up.keys()
        for organization_id in given_up:
            self._latest.doubt(organization_id)
