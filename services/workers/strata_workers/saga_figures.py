"""What is known of sagas that have not ended, as figures."""

from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from strata_core.sagas.queries import SagaFigures
from strata_core.sagas.rules import ENDED, SagaState

NO_SAGAS: Final = SagaFigures({}, 0, None)


def saga_figures_of(newest: SagaFigures, now: datetime) -> list[Metric]:
    living = GaugeMetricFamily("strata_sagas", "Sagas that have not ended, by state.", labels=["state"])
    for state in sorted(set(SagaState) - ENDED):
        living.add_metric([state], newest.living.get(state, 0))
    stuck = GaugeMetricFamily("strata_sagas_stuck", "Sagas that fail again and again, with no way but on.")
    stuck.add_metric([], newest.stuck)
    lag_s = (now - newest.oldest_due_at).total_seconds() if newest.oldest_due_at else 0.0
    lag = GaugeMetricFamily("strata_saga_lag_seconds", "How long the saga that is due the longest has been due.")
    lag.add_metric([], max(0.0, lag_s))
    return [living, stuck, lag]
