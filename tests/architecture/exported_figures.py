"""Every figure that Strata's processes export, with its labels, read from the registries that the processes make."""

from collections.abc import Iterable, Iterator, Mapping
from types import SimpleNamespace

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from strata_api.http_figures import HttpFigures
from strata_core.caching.figures import CacheFigures, Outcome
from strata_core.ports.doorbell import Doorbell
from strata_datamodel.spooling import Signal
from strata_ingest.instruments import Instruments, SpoolCollector, WriterInstruments
from strata_stores.breaker import Breaker
from strata_stores.clock import SystemClock
from strata_stores.figures import CacheFiguresCollector, LimiterFigures, StoreFigures
from strata_stores.redis.rate_limiter import RedisRateLimiter
from strata_stores.spool.file_spool import FileSpool
from strata_workers.service import Worker, WorkerDeps

SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
ADDED_BY_PROMETHEUS = frozenset({"instance", "job"})


def registries(doorbell: Doorbell, spool: FileSpool) -> Iterator[CollectorRegistry]:
    clock = SystemClock()
    api, ingest, worker = CollectorRegistry(), CollectorRegistry(), CollectorRegistry()
    HttpFigures(api)
    api.register(StoreFigures([Breaker("postgres", clock)]))
    api.register(LimiterFigures(RedisRateLimiter("redis://127.0.0.1:1", clock)))  # connects when it is asked
    api.register(CacheFiguresCollector(_cached()))
    Instruments(ingest)
    WriterInstruments(ingest)
    ingest.register(SpoolCollector({Signal.METRICS: spool}, clock))
    nobody = None  # a worker that is not started asks none of these
    Worker(
        WorkerDeps(
            units=SimpleNamespace(organization=nobody), metric_store=nobody, log_store=nobody, search_index=nobody,
            cache=nobody, doorbell=doorbell, notifier=nobody, metric_tiers=nobody, secret_box=nobody,
            archive=nobody, anchor_signer=nobody,
            clock=clock, ring_queue=nobody, ring_key=b"", registry=worker,
            mailer=nobody, link_key=nobody, public_url="",
        )
    )  # fmt: skip
    yield from (api, ingest, worker)


def _cached() -> CacheFigures:
    """One of everything."""
    figures = CacheFigures()
    figures.answered("profiles", Outcome.ORIGIN)
    for count in (figures.refreshed_early, figures.overtaken, figures.refused, figures.began):
        count("profiles")
    return figures


def exported(found: Iterable[CollectorRegistry]) -> Mapping[str, frozenset[str]]:
    """Names as Prometheus stores them, each with its labels."""
    names: dict[str, frozenset[str]] = {}
    for registry in found:
        for collector in list(registry._collector_to_names):
            names.update(_figures(collector))
    return names


def _figures(collector: Collector) -> Iterator[tuple[str, frozenset[str]]]:
    for family in collector.collect():
        labels = set(collector._labelnames) if isinstance(collector, MetricWrapperBase) else set()
        labels |= {label for sample in family.samples for label in sample.labels}
        for suffix in SUFFIXES[family.type]:
            extra = {"le"} if suffix == "_bucket" else set()
            yield family.name + suffix, frozenset(labels | extra) - ({"le"} - extra) | ADDED_BY_PROMETHEUS
