"""How far stores are from what they should hold, for Prometheus."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from strata_core.search.drift import DriftRow


def drift_figures(rows: Sequence[DriftRow], now: datetime) -> list[Metric]:
    """Every worker says the same of all organizations: take the greatest, not the sum."""
    labels = ["store", "kind"]
    divergence = GaugeMetricFamily(
        "strata_divergence",
        "Entities a store holds otherwise than PostgreSQL, as the newest passes found.",
        labels=labels,
    )
    oldest = GaugeMetricFamily(
        "strata_divergence_oldest_seconds", "For how long what differs the longest is known to.", labels=labels
    )
    repairs = CounterMetricFamily("strata_divergence_repairs", "Repairs asked for.", labels=labels)
    passed = GaugeMetricFamily(
        "strata_reconciliation_age_seconds", "Since the pass that is the longest ago.", labels=labels
    )
    for row in rows:
        key = [row.store, row.kind]
        divergence.add_metric(key, row.total)
        oldest.add_metric(key, _age_s(row.oldest_at, now))
        repairs.add_metric(key, row.repairs)
        passed.add_metric(key, _age_s(row.passed_at, now))
    return [divergence, oldest, repairs, passed]


def _age_s(instant: datetime | None, now: datetime) -> float:
    return 0.0 if instant is None else max(0.0, (now - instant).total_seconds())
