"""The trials of every store that the settings name, all at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from strata_core.ports.clock import Clock
from strata_datamodel.errors import StrataError
from strata_datamodel.health import StoreHealth, StoreTrial
from strata_stores.anchoring import open_configured_archive
from strata_stores.breaker import Breaker
from strata_stores.cells import store_name
from strata_stores.elastic.log_store import ElasticLogStore
from strata_stores.elastic.nodes import NodeState
from strata_stores.factory import cell_directory, open_cell, open_log_store
from strata_stores.influx.metric_store import InfluxMetricStore
from strata_stores.postgres.trial import relational_trial
from strata_stores.redis.trial import redis_trial
from strata_stores.relational import ServerUrls
from strata_stores.settings import Settings
from strata_stores.trials.attempts import seconds_ahead
from strata_stores.trials.directories import directory_trial
from strata_stores.trials.ports import archive_trial, logs_trial, metrics_trial

_PATIENCE_S: Final = 20.0
_NEVER_OPEN: Final = 1_000  # what is refused once must not keep the rest from being tried
_HALF_A_SECOND: Final = 0.5  # InfluxDB tells its time in whole seconds, rounded down


def try_stores(settings: Settings, urls: ServerUrls, clock: Clock) -> list[StoreTrial]:
    """Beside a running Strata and without one: embedded metrics and logs, which one process alone may open, are tried
    as the directories they are in."""
    app, worker = urls.relational.app.get_secret_value(), urls.relational.worker.get_secret_value()
    trials: list[Callable[[], StoreTrial]] = [
        lambda: relational_trial(app, worker, clock),
        lambda: redis_trial(urls.redis.get_secret_value(), clock),
        *(partial(_try_metrics, settings, clock, cell) for cell in settings.metric_cells),
        lambda: _try_logs(settings, clock),
        lambda: _try_archive(settings, clock),
        lambda: directory_trial("spool", settings.spool_directory),
    ]
    with ThreadPoolExecutor(len(trials), thread_name_prefix="trial") as pool:
        return list(pool.map(lambda trial: trial(), trials))


def _try_metrics(settings: Settings, clock: Clock, cell: str) -> StoreTrial:
    name = store_name(cell)
    if settings.metric_cells[cell].is_embedded:
        return directory_trial(name, cell_directory(settings, cell))
    store = open_cell(settings, cell, clock, _breaker(name, clock), delete_timeout_s=_PATIENCE_S)
    with closing(store):
        health = store.health()
        if _is_away(health):
            return replace(_not_tried(health), store=name)
        skew_s = seconds_ahead(clock, store.server_time) if isinstance(store, InfluxMetricStore) else None
        skew_s = None if skew_s is None else skew_s + _HALF_A_SECOND
        return replace(metrics_trial(store, clock), store=name, skew_s=skew_s)


def _try_logs(settings: Settings, clock: Clock) -> StoreTrial:
    if settings.is_embedded("logs_url"):
        return directory_trial("logs", settings.data_dir / "logs")
    store = open_log_store(settings, clock, _breaker("logs", clock))
    with closing(store):
        health = store.health()
        if _is_away(health):
            return _not_tried(health)
        trial = logs_trial(store, clock)
        if not isinstance(store, ElasticLogStore):
            return trial
        nodes: list[NodeState] = []

        def furthest_node() -> datetime | None:
            nodes.extend(store.node_states())
            ours = clock.now()
            return max((node.time for node in nodes), key=lambda time: abs(time - ours), default=None)

        skew_s = seconds_ahead(clock, furthest_node)
        free = [node.free_bytes for node in nodes if node.free_bytes is not None]
        return replace(trial, skew_s=skew_s, free_bytes=min(free, default=None))


def _try_archive(settings: Settings, clock: Clock) -> StoreTrial:
    try:
        archive = open_configured_archive(settings, _breaker("archive", clock))
    except (OSError, StrataError) as error:
        return StoreTrial("archive", (), {"open": str(error)})
    return archive_trial(archive)


def _is_away(health: StoreHealth) -> bool:
    """Whether nobody answers at all: each thing that is tried then would wait for its time-out."""
    return not health.is_ready and not health.version


def _not_tried(health: StoreHealth) -> StoreTrial:
    return StoreTrial(health.store, (), {"reach": health.detail})


def _breaker(store: str, clock: Clock) -> Breaker:
    return Breaker(store, clock, failures_to_open=_NEVER_OPEN)
