"""What the ingest service counts of itself."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from strata_core.ports.clock import Clock
from strata_core.ports.spool import Spool
from strata_datamodel.spooling import Signal

_SECOND_NS = 1_000_000_000
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Instruments:
    """Labels are closed sets: nothing a client sends becomes one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "strata_ingest_requests", "Requests answered", ["protocol", "status"], registry=registry
        )
        self.seconds = Histogram(
            "strata_ingest_request_seconds",
            "Time from a request's head to its answer",
            ["protocol"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.received_bytes = Counter(
            "strata_ingest_received_bytes", "Bytes of bodies as sent", ["signal"], registry=registry
        )
        self.accepted = Counter(
            "strata_ingest_accepted", "Lines and documents made durable", ["signal"], registry=registry
        )
        self.points = Counter("strata_ingest_points", "Points and events made durable", ["signal"], registry=registry)
        self.rejected = Counter(
            "strata_ingest_rejected", "Lines and documents refused", ["signal", "reason"], registry=registry
        )
        self.recognitions = Counter(
            "strata_ingest_recognitions", "How callers were recognised", ["result"], registry=registry
        )
        self.limited = Counter(
            "strata_ingest_limited", "Requests refused for a limit of rate", ["limit"], registry=registry
        )
        self.refused_series = Counter(
            "strata_ingest_refused_series", "New series kept out by a limit", ["limit"], registry=registry
        )
        self._cached = self.recognitions.labels("cached")

    def recognised(self, result: str) -> None:
        """Nearly every time from memory, where looking the label up would cost more than the memory."""
        (self._cached if result == "cached" else self.recognitions.labels(result)).inc()

    def refused(self, limit: str, series: int) -> None:
        self.refused_series.labels(limit).inc(series)


class WriterInstruments:
    """One set for all writers of a process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.written = Counter(
            "strata_writer_written", "Points and events that are in their store", ["signal"], registry=registry
        )
        self.retries = Counter(
            "strata_writer_retries", "Passes put off since a store was unavailable", ["signal"], registry=registry
        )
        self.dead_letters = Counter(
            "strata_writer_dead_letters", "Points, events and records refused for good", ["signal"], registry=registry
        )
        self.lost = Counter(
            "strata_writer_lost", "Records that even the dead letters refused", ["signal"], registry=registry
        )
        self.dropped = Counter(
            "strata_writer_dropped", "Records of deleted organizations, not landed", ["signal"], registry=registry
        )
        self.refused_points = Counter(
            "strata_writer_refused_points", "Points of new series kept out by a limit, as was told", registry=registry
        )
        self.newest_given_up = Counter(
            "strata_writer_newest_given_up", "Newest values not told; readers ask the metric store", registry=registry
        )
        self.server_rows_refused = Counter(
            "strata_server_metrics_refused",
            "Values and rows of servers not kept",
            ["reason"],
            registry=registry,
        )
        self.missed_sightings = Counter(
            "strata_writer_missed_sightings", "Touches of known hosts skipped in an outage", registry=registry
        )


class SpoolCollector(Collector):
    """Reads the spools when it is scraped."""

    def __init__(self, spools: Mapping[Signal, Spool], clock: Clock) -> None:
        self._spools = spools
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        records = GaugeMetricFamily("strata_spool_records", "Records not in a store yet", labels=["signal"])
        size = GaugeMetricFamily("strata_spool_bytes", "Bytes not in a store yet", labels=["signal"])
        capacity = GaugeMetricFamily("strata_spool_capacity_bytes", "Bytes it may hold", labels=["signal"])
        age = GaugeMetricFamily("strata_spool_oldest_age_seconds", "Age of the oldest of them", labels=["signal"])
        damaged = CounterMetricFamily("strata_spool_damaged", "Records skipped as damaged", labels=["signal"])
        refusals = CounterMetricFamily(
            "strata_spool_share_refusals",
            "Requests refused as their organization held its share of a spool",
            value=sum(spool.share_refusals() for spool in self._spools.values()),
        )
        for signal, spool in self._spools.items():
            depth = spool.depth()
            oldest_ns = depth.oldest_received_at_ns
            records.add_metric([signal], depth.records)
            size.add_metric([signal], depth.size_bytes)
            capacity.add_metric([signal], depth.capacity_bytes)
            age.add_metric(
                [signal], 0.0 if oldest_ns is None else max(0.0, (self._clock.now_ns() - oldest_ns) / _SECOND_NS)
            )
            damaged.add_metric([signal], spool.damaged_records())
        return (records, size, capacity, age, damaged, refusals)
