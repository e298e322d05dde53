"""Real stores that fail on request, before or after having done the work, and remember what they were given."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from strata_core.ports.log_store import LogStore
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.metrics import MetricAnswer, MetricQuery, PointBatch, Rejection, WriteOutcome


class FaultyMetricStore:
    """`before` and `after` hold errors for the next writes. Points for which `refuses` tells a reason are refused."""

    def __init__(self, store: MetricStore) -> None:
        self._store = store
        self.before: deque[Exception] = deque()
        self.after: deque[Exception] = deque()
        self.refuses: Callable[[str], str | None] = lambda _: None
        self.poison: Callable[[PointBatch], Exception | None] = lambda _: None
        self.batches: list[PointBatch] = []
        self.is_down = False

    def query(self, query: MetricQuery) -> MetricAnswer:
        if self.is_down:
            raise StoreUnavailableError("metrics", "is down")
        return self._store.query(query)

    def write(self, batch: PointBatch) -> WriteOutcome:
        if self.before:
            raise self.before.popleft()
        if error := self.poison(batch):
            raise error
        self.batches.append(batch)
        reasons = [self.refuses(key.measurement) for key in batch.series]
        rows = [row for row, index in enumerate(batch.series_index) if reasons[index] is None]
        kept = replace(
            batch,
            series_index=batch.series_index[rows],
            time_ns=batch.time_ns[rows],
            values=batch.values[rows],
        )
        outcome = self._store.write(kept)
        if self.after:
            raise self.after.popleft()
        refused = sorted(set(range(len(batch))) - set(rows))
        return WriteOutcome(
            outcome.written,
            tuple(Rejection(row, str(reasons[int(np.asarray(batch.series_index)[row])])) for row in refused),
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class FaultyLogStore:
    def __init__(self, store: LogStore) -> None:
        self._store = store
        self.after: deque[Exception] = deque()

    def write(self, batch: Any) -> Any:
        outcome = self._store.write(batch)
        if self.after:
            raise self.after.popleft()
        return outcome

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
