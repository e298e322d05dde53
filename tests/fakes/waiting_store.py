"""A real metric store whose first question waits until whoever asked it has left."""

import threading
from typing import Any

from strata_core.departures import check_wanted, on_departure
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import CallerLeftError
from strata_datamodel.metrics import MetricAnswer, MetricQuery


class WaitingMetricStore:
    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self.asked = self.stopped = 0

    def query(self, query: MetricQuery) -> MetricAnswer:
        self.asked += 1
        if self.asked == 1:
            left = threading.Event()
            with on_departure(left.set):
                left.wait(30)
        try:
            check_wanted()
        except CallerLeftError:
            self.stopped += 1
            raise
        return self._store.query(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
