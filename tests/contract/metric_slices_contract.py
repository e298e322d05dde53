"""What every metric store promises of slices. Mixed into a test class that has `new_store`."""

import pytest

from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE
from factories.point_batches import MINUTE, SECOND, batch_of, point
from strata_core.metrics.slices import form_of_points, form_of_windows
from strata_datamodel.errors import LimitError
from strata_datamodel.tiers import ROLLED_UP, Tier
from strata_stores.clock import SystemClock
from strata_stores.duckdb.metric_store import DuckDbMetricStore

HOUR = 60 * MINUTE
END = BASE + 3 * HOUR
MOST = 1_000


def written(organization_id):
    """Two hours of every class, with names that stores have to write otherwise."""
    return batch_of(
        organization_id,
        *(point(BASE + at * 20 * SECOND, float(at * at % 97), host="a") for at in range(300)),
        *(point(BASE + at * MINUTE, -0.0 if at % 2 else -1e300, measurement="_odd, name", **{"a b=": "c,d"})
          for at in range(90)),
        *(point(BASE + at * MINUTE, at % 3 == 0, field="is_up") for at in range(90)),
        *(point(BASE + at * MINUTE, f'word "{at % 4}"', field="said") for at in range(90)),
    )  # fmt: skip


def rolled_up(store):
    for tier in ROLLED_UP:
        store.roll_up(tier, BASE, END)


@pytest.fixture
def other(tmp_path):
    """Another store, of another kind where the one under test is none of this."""
    store = DuckDbMetricStore(tmp_path / "other", SystemClock())
    store.prepare()
    yield store
    store.close()


class MetricSlicesContract(MetricSubjects):
    def test_slices_carry_everything_into_another_store_and_back(self, metric_store, other, acme, umbrella):
        for organization_id in (acme, umbrella):
            metric_store.write(written(organization_id))
        rolled_up(metric_store)
        wanted = {tier: metric_store.hours_held(acme, tier, BASE, END) for tier in Tier}
        assert wanted[Tier.RAW] == {BASE: 360, BASE + HOUR: 210}
        assert set(wanted[Tier.HOUR]) == {BASE, BASE + HOUR}
        points = metric_store.point_slice(acme, BASE, END, MOST)
        other.write(points)
        assert form_of_points(other.point_slice(acme, BASE, END, MOST)) == form_of_points(points)
        for tier in ROLLED_UP:
            windows = metric_store.window_slice(acme, tier, BASE, END, MOST)
            for _ in range(2):
                other.write_windows(windows)
            back = other.window_slice(acme, tier, BASE, END, MOST)
            assert form_of_windows(back) == form_of_windows(windows)
            metric_store.write_windows(back)
            assert form_of_windows(metric_store.window_slice(acme, tier, BASE, END, MOST)) == form_of_windows(windows)
        for store in (other, metric_store):
            assert {tier: store.hours_held(acme, tier, BASE, END) for tier in Tier} == wanted
        assert {other.count_points(umbrella)} | {other.count_windows(umbrella, tier) for tier in ROLLED_UP} == {0}

    def test_a_slice_that_is_too_large_is_refused(self, metric_store, acme):
        metric_store.write(written(acme))
        rolled_up(metric_store)
        with pytest.raises(LimitError) as refused:
            metric_store.point_slice(acme, BASE, END, 569)
        assert refused.value.code == "slice_too_large"
        with pytest.raises(LimitError):
            metric_store.window_slice(acme, Tier.MINUTE, BASE, END, 10)

    def test_a_slice_of_nothing_is_empty(self, metric_store, acme):
        assert len(metric_store.point_slice(acme, BASE, END, 1)) == 0
        assert len(metric_store.window_slice(acme, Tier.HOUR, BASE, END, 1)) == 0
        assert metric_store.hours_held(acme, Tier.RAW, BASE, END) == {}
