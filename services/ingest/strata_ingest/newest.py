"""The newest values of hosts, told to where they stand ready once their points are in the store: behind the writer, and
never in its way."""

import threading
from collections.abc import Collection
from typing import Final

import numpy as np
import structlog
from prometheus_client import Counter

from strata_core.ports.latest_values import LatestValues
from strata_datamodel.errors import UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.latest import LatestValue, Metric
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, SeriesKey
from strata_ingest.sightings import host_of

_PAUSE_S: Final = 1.0
_HELD: Final = 100_000
_NS_PER_MS: Final = 1_000_000
_BEFORE_ALL: Final = np.iinfo(np.int64).min
_Hosts = dict[str, dict[Metric, LatestValue]]
log = structlog.get_logger(__name__)


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
        self._held: dict[OrganizationId, _Hosts] = {}
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
        newest = newest_of(batch, refused)
        with self._lock:
            hosts = self._held.setdefault(batch.organization_id, {})
            for host, metric, value in newest:
                self._count += _keep(hosts, host, metric, value)
            is_too_much = self._count > self._max_held
        if is_too_much:
            self._give_up()

    def doubt(self, organization_id: OrganizationId) -> None:
        """Points of it came into the store that were not noted here."""
        with self._lock:
            self._known.add(organization_id)
        self._latest.doubt(organization_id)

    def forget(self, organization_id: OrganizationId) -> None:
        with self._lock:
            self._count -= _size(self._held.pop(organization_id, {}))
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
            for organization_id, hosts in taken.items():
                try:
                    self._latest.write(organization_id, hosts)
                except UnavailableError as error:
                    log.info("newest_values_wait", reason=error.detail)
                    self._take_back(organization_id, hosts)

    def _take_back(self, organization_id: OrganizationId, hosts: _Hosts) -> None:
        with self._lock:
            held = self._held.setdefault(organization_id, {})
            for host, values in hosts.items():
                for metric, value in values.items():
                    self._count += _keep(held, host, metric, value)
            is_too_much = self._count > self._max_held
        if is_too_much:
            self._give_up()

    def _give_up(self) -> None:
        with self._lock:
            given_up, self._held = self._held, {}
            self._given_up.inc(self._count)
            self._count = 0
            self._known |= given_up.keys()
        for organization_id in given_up:
            self._latest.doubt(organization_id)


def newest_of(batch: PointBatch, refused: Collection[Rejection] = ()) -> list[tuple[str, Metric, LatestValue]]:
    """The newest point of each series that names a host."""
    time_ns = batch.time_ns
    if refused:
        time_ns = time_ns.copy()
        time_ns[[each.index for each in refused]] = _BEFORE_ALL
    newest_ns = np.full(len(batch.series), _BEFORE_ALL, dtype=np.int64)
    np.maximum.at(newest_ns, batch.series_index, time_ns)
    rows = np.flatnonzero(time_ns == newest_ns[batch.series_index])
    row_of = np.zeros(len(batch.series), dtype=np.int64)
    row_of[batch.series_index[rows]] = rows  # of one series' rows at one time the later stands in the store
    found = []
    for series, at_ns, row in zip(batch.series, newest_ns.tolist(), row_of.tolist(), strict=True):
        host = host_of(series)
        if host is not None and at_ns >= 0:
            found.append((host, (series.measurement, series.field), _value(batch, series, row, at_ns)))
    return found


def _value(batch: PointBatch, series: SeriesKey, row: int, at_ns: int) -> LatestValue:
    number = float(batch.values[row])
    value: float | bool | str = number
    if series.field_class is FieldClass.BOOLEAN:
        value = bool(number)
    elif series.field_class is FieldClass.STRING:
        value = batch.texts[int(number)]
    return LatestValue(at_ns // _NS_PER_MS, value)


def _keep(hosts: _Hosts, host: str, metric: Metric, value: LatestValue) -> int:
    """How many more are held now."""
    values = hosts.setdefault(host, {})
    old = values.get(metric)
    if old is None or value.outranks(old):
        values[metric] = value
    return int(old is None)


def _size(hosts: _Hosts) -> int:
    return sum(map(len, hosts.values()))
