"""What any metric store, log store or archive is asked to do, through its port."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import numpy as np

from strata_core.ports.archive import Archive
from strata_core.ports.clock import Clock
from strata_core.ports.log_store import LogStore
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import NotFoundError, StoreRefusedError
from strata_datamodel.health import StoreTrial
from strata_datamodel.ids import PROBE, BatchId, uuid7
from strata_datamodel.logs import LogBatch, LogEvent, LogLevel, log_event_id
from strata_datamodel.metrics import FieldClass, PointBatch, Rejection, SeriesKey
from strata_stores.trials.attempts import attempt_each

Acts = dict[str, Callable[[], object]]
_SERIES: Final = SeriesKey("strata_doctor", (), "probe", FieldClass.NUMBER)
_KEY: Final = "doctor/probe"


def metrics_trial(store: MetricStore, clock: Clock) -> StoreTrial:
    def write() -> None:
        times, values = np.array([clock.now_ns()], np.int64), np.ones(1, np.float64)
        batch = PointBatch(PROBE, (_SERIES,), np.zeros(1, np.int32), times, values)
        _require_taken("metrics", store.write(batch).rejected)

    acts: Acts = {
        "create": store.prepare,
        "write": write,
        "read": lambda: store.count_points(PROBE),
        "delete": lambda: store.delete_organization(PROBE),
    }
    return StoreTrial("metrics", *attempt_each(acts))


def logs_trial(store: LogStore, clock: Clock) -> StoreTrial:
    def write() -> None:
        now_ns = clock.now_ns()
        identity = log_event_id(now_ns, PROBE, BatchId(uuid7(now_ns // 1_000_000)), 0)
        event = LogEvent(identity, f"{clock.now():%Y-%m-%d}", now_ns, LogLevel.INFO, "strata doctor")
        _require_taken("logs", store.write(LogBatch(PROBE, (event,))).rejected)

    def delete() -> None:
        store.refresh()
        store.delete_organization(PROBE)

    acts: Acts = {"create": store.prepare, "write": write, "read": lambda: store.count(PROBE), "delete": delete}
    return StoreTrial("logs", *attempt_each(acts))


def archive_trial(archive: Archive) -> StoreTrial:
    def read() -> None:
        with suppress(NotFoundError):  # where writing was refused
            archive.get(PROBE, _KEY)

    acts: Acts = {
        "write": lambda: archive.put(PROBE, _KEY, b"probe"),
        "read": read,
        "list": lambda: archive.listing(PROBE),
        "delete": lambda: archive.delete(PROBE, _KEY),
    }
    return StoreTrial("archive", *attempt_each(acts))


def _require_taken(store: str, rejected: Sequence[Rejection]) -> None:
    if rejected:
        raise StoreRefusedError(store, rejected[0].reason)
