"""What the breakers know, for Prometheus."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from strata_core.caching.figures import CacheFigures
from strata_stores.breaker import Breaker, BreakerState
from strata_stores.redis.rate_limiter import RedisRateLimiter

_STATES: Final = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class LimiterFigures(Collector):
    """Read when scraped. Register it once a registry."""

    def __init__(self, limiter: RedisRateLimiter) -> None:
        self._limiter = limiter

    def collect(self) -> Iterator[Metric]:
        alone = CounterMetricFamily(
            "strata_rate_limits_decided_alone", "Decided by buckets of this process, as Redis was not there."
        )
        alone.add_metric([], self._limiter.alone_total)
        yield alone


class CacheFiguresCollector(Collector):
    """Read when scraped. Register it once a registry."""

    def __init__(self, figures: CacheFigures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        answers = CounterMetricFamily("strata_cache_answers", "By where they came from.", labels=["kind", "outcome"])
        for (kind, outcome), count in self._figures.answers().items():
            answers.add_metric([kind, outcome.value], count)
        yield answers
        for name, text, counts in (
            ("early_refreshes", "Answers made anew before they were old.", self._figures.early()),
            ("not_kept", "Answers that a change overtook, or Redis did not take.", self._figures.overtakings()),
            ("origin_refusals", "Questions refused, as all who may ask the origin did.", self._figures.refusals()),
        ):
            counter = CounterMetricFamily(f"strata_cache_{name}", text, labels=["kind"])
            for kind, count in counts.items():
                counter.add_metric([kind], count)
            yield counter
        for name, text, counts in (
            ("origin_callers", "Asking the origin now.", self._figures.running()),
            ("origin_callers_most", "The most that asked at once.", self._figures.most_running()),
        ):
            gauge = GaugeMetricFamily(f"strata_cache_{name}", text, labels=["kind"])
            for kind, count in counts.items():
                gauge.add_metric([kind], count)
            yield gauge


class StoreFigures(Collector):
    """Read when scraped. Register it once a registry."""

    def __init__(self, breakers: Sequence[Breaker]) -> None:
        self._breakers = breakers

    def collect(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "strata_store_breaker_state", "0 closed, 1 half open, 2 open: calls are not made.", labels=["store"]
        )
        opened = CounterMetricFamily("strata_store_breaker_opened", "Times it opened.", labels=["store"])
        failures = CounterMetricFamily("strata_store_failures", "Calls that got no answer.", labels=["store"])
        refused = CounterMetricFamily("strata_store_calls_refused", "Calls not made while open.", labels=["store"])
        seconds = SummaryMetricFamily("strata_store_call_seconds", "Time spent in calls.", labels=["store"])
        for breaker in self._breakers:
            labels = [breaker.store]
            state.add_metric(labels, _STATES[breaker.state])
            opened.add_metric(labels, breaker.opened_total)
            failures.add_metric(labels, breaker.failures_total)
            refused.add_metric(labels, breaker.refused_total)
            seconds.add_metric(labels, count_value=breaker.calls_total, sum_value=breaker.seconds_total)
        yield from (state, opened, failures, refused, seconds)
