"""What every metric store promises of tiers. Mixed into a test class that has `new_store`."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.metric_reference import expected_answer
from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, MetricAnswer
from strata_datamodel.tiers import KEPT_NS, RESOLUTION_NS, ROLLED_UP, Gap, Stretch, Tier

HOUR = 60 * MINUTE
_START = BASE // 10**6
_END = BASE + 3 * HOUR
_WRITES = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b"]),
            st.integers(0, 9) | st.integers(0, 3 * 3600 - 1),
            st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(0, 9).map(float),
        ),
        min_size=1,
        max_size=25,
    ),
    min_size=1,
    max_size=4,
)
_PROPERTY = settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def stitched(*parts: tuple[Tier, int]) -> tuple[Stretch, ...]:
    """Each tier up to so many minutes after BASE, from the end of the one before."""
    ends = [BASE, *(BASE + minutes * MINUTE for _, minutes in parts)]
    return tuple(Stretch(tier, ends[n], ends[n + 1]) for n, (tier, _) in enumerate(parts))


_STITCHES = (
    stitched((Tier.MINUTE, 180)),
    stitched((Tier.FIVE_MINUTES, 180)),
    stitched((Tier.HOUR, 180)),
    stitched((Tier.HOUR, 60), (Tier.FIVE_MINUTES, 120), (Tier.MINUTE, 150), (Tier.RAW, 180)),
    stitched((Tier.RAW, 60), (Tier.HOUR, 120), (Tier.RAW, 180)),
)


def rolled_up(store, until_ns: int = _END) -> None:
    for tier in ROLLED_UP:
        store.roll_up(tier, BASE, until_ns)


def asked_of(query, stretches):
    return replace(query, from_ns=stretches[0].from_ns, to_ns=stretches[-1].to_ns, stretches=stretches)


class MetricTiersContract(MetricSubjects):
    @given(writes=_WRITES, stretches=st.sampled_from(_STITCHES), step_ns=st.sampled_from([None, HOUR, 2 * HOUR]))
    @_PROPERTY
    def test_a_stitched_answer_is_that_over_raw_points_whatever_was_late_doubled_or_corrected(
        self, metric_store, writes, stretches, step_ns
    ):
        organization_id = OrganizationId(uuid4())
        written = []
        for rows in writes:
            batch = [point(BASE + at * SECOND, value, host=host) for host, at, value in rows]
            metric_store.write(batch_of(organization_id, *batch))
            written += batch
            rolled_up(metric_store)
        for aggregate in (each for each in Aggregate if each.value in _KEPT):
            for group_by in ((), ("host",)):
                percentile = 75.0 if aggregate is Aggregate.PERCENTILE else None
                query = whole_range(
                    organization_id, aggregate, step_ns=step_ns, percentile=percentile, group_by=group_by
                )
                query = asked_of(query, stretches)
                read, expected = answered(metric_store, query), expected_answer(written, query)
                assert list(read) == list(expected)
                for group, windows in expected.items():
                    assert [start for start, _ in read[group]] == [start for start, _ in windows]
                    near = {"rel": 0.01} if aggregate is Aggregate.PERCENTILE else {"rel": 1e-9, "abs": 1e-6}
                    assert [value for _, value in read[group]] == pytest.approx([v for _, v in windows], **near)

    @pytest.mark.parametrize("tier", ROLLED_UP)
    def test_each_tier_has_a_window_for_each_series_and_time_with_a_point(self, metric_store, acme, umbrella, tier):
        rows = [point(BASE + at * 20 * SECOND, at / 7, host=host) for at in range(270) for host in "ab"]
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, *rows))
        rolled_up(metric_store)
        windows = len({(each.series, each.time_ns // RESOLUTION_NS[tier]) for each in rows})
        assert metric_store.count_windows(acme, tier) == metric_store.count_windows(umbrella, tier) == windows
        rolled_up(metric_store)
        assert metric_store.count_windows(acme, tier) == windows

    def test_a_roll_up_says_what_it_read_and_what_it_made(self, metric_store, acme):
        metric_store.write(batch_of(acme, *(point(BASE + at * 10 * SECOND, 1.0) for at in range(60))))
        for tier, points, windows in ((Tier.MINUTE, 60, 10), (Tier.FIVE_MINUTES, 10, 2), (Tier.HOUR, 2, 1)):
            done = metric_store.roll_up(tier, BASE, _END)
            assert (done.points, done.windows) == (points, windows)

    def test_only_windows_in_the_range_are_rolled_up(self, metric_store, acme):
        metric_store.write(batch_of(acme, *(point(BASE + minute * MINUTE, 1.0) for minute in range(10))))
        metric_store.roll_up(Tier.MINUTE, BASE + 2 * MINUTE, BASE + 5 * MINUTE)
        assert metric_store.count_windows(acme, Tier.MINUTE) == 3
        query = asked_of(whole_range(acme, Aggregate.COUNT, step_ns=MINUTE), stitched((Tier.MINUTE, 10)))
        assert [start for start, _ in answered(metric_store, query)[()]] == [
            _START + minute * 60_000 for minute in (2, 3, 4)
        ]

    def test_a_roll_up_of_some_organizations_leaves_the_others(self, metric_store, acme, umbrella):
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, point(BASE, 1.0)))
        metric_store.roll_up(Tier.MINUTE, BASE, _END, [acme])
        assert [metric_store.count_windows(each, Tier.MINUTE) for each in (acme, umbrella)] == [1, 0]
        metric_store.roll_up(Tier.MINUTE, BASE, _END)
        metric_store.expire(acme, Tier.RAW, _END)
        metric_store.expire(umbrella, Tier.RAW, _END)
        metric_store.roll_up(Tier.MINUTE, BASE, _END, [acme])
        assert [metric_store.count_windows(each, Tier.MINUTE) for each in (acme, umbrella)] == [0, 1]
        metric_store.roll_up(Tier.MINUTE, BASE, _END, [])
        assert metric_store.count_windows(umbrella, Tier.MINUTE) == 1

    def test_windows_of_which_nothing_is_left_above_are_gone(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE + HOUR, 2.0)))
        rolled_up(metric_store)
        metric_store.expire(acme, Tier.RAW, BASE + HOUR)
        assert [metric_store.count_windows(acme, tier) for tier in ROLLED_UP] == [2, 2, 2]
        rolled_up(metric_store)
        assert [metric_store.count_windows(acme, tier) for tier in ROLLED_UP] == [1, 1, 1]

    @pytest.mark.parametrize("tier", ROLLED_UP)
    def test_a_counters_rise_between_windows_is_in_its_rate(self, metric_store, acme, tier):
        readings = [(0, 10.0), (59, 70.0), (61, 5.0), (3599, 105.0), (3601, 205.0), (7300, 1.0)]
        rows = [point(BASE + at * SECOND, value) for at, value in readings]
        metric_store.write(batch_of(acme, *rows))
        rolled_up(metric_store)
        for step_ns in (None, HOUR):
            query = asked_of(whole_range(acme, Aggregate.RATE, step_ns=step_ns), stitched((tier, 180)))
            ((_, windows),) = expected_answer(rows, query).items()
            assert answered(metric_store, query) == {(): [(start, pytest.approx(value)) for start, value in windows]}

    def test_a_single_reading_in_a_window_has_no_rate(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 5.0)))
        rolled_up(metric_store)
        query = asked_of(whole_range(acme, Aggregate.RATE), stitched((Tier.HOUR, 60)))
        assert metric_store.query(query) == MetricAnswer()

    @pytest.mark.parametrize("tier", ROLLED_UP)
    @pytest.mark.parametrize("percentile", [1.0, 50.0, 99.0, 100.0])
    def test_percentiles_of_a_tier_are_within_a_hundredth(self, metric_store, acme, tier, percentile):
        numbers = [-1e300, -7.5, -1e-300, 0.0, 0.0, 5e-324, 1e-9, 1.0, 99.995, 1e15, 1.7e308]
        rows = [point(BASE + at * 61 * SECOND, number) for at, number in enumerate(numbers * 9)]
        metric_store.write(batch_of(acme, *rows))
        rolled_up(metric_store)
        query = whole_range(acme, Aggregate.PERCENTILE, percentile=percentile)
        query = asked_of(query, stitched((tier, 180)))
        ((_, expected),) = expected_answer(rows, query)[()]
        assert answered(metric_store, query) == {(): [(_START, pytest.approx(expected, rel=0.01, abs=0))]}

    def test_strings_and_booleans_of_a_tier_serve_count_first_and_last(self, metric_store, acme):
        texts = [point(BASE + at * 40 * SECOND, word) for at, word in enumerate(["up", "down", "", 'say "it\'s"'])]
        flags = [point(BASE + at * 40 * SECOND, at % 2 == 0, field="ok") for at in range(4)]
        metric_store.write(batch_of(acme, *texts, *flags))
        rolled_up(metric_store)
        for stretches in (stitched((Tier.HOUR, 60)), stitched((Tier.MINUTE, 1), (Tier.RAW, 60))):
            for rows, field in ((texts, "usage"), (flags, "ok")):
                for aggregate in (Aggregate.COUNT, Aggregate.FIRST, Aggregate.LAST):
                    query = asked_of(whole_range(acme, aggregate, field=field), stretches)
                    assert answered(metric_store, query) == expected_answer(rows, query)

    def test_a_gap_is_found_by_the_hour_and_healed_by_a_roll_up(self, metric_store, acme, umbrella):
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, *(point(BASE + n * 10 * MINUTE, 1.0) for n in range(18))))
        rolled_up(metric_store)
        assert not any(metric_store.gaps(acme, tier, BASE, _END) for tier in ROLLED_UP)
        late = [point(BASE + HOUR + at * MINUTE + SECOND, 1.0) for at in (0, 1)]
        metric_store.write(batch_of(acme, *late))
        assert metric_store.gaps(acme, Tier.MINUTE, BASE, _END) == (Gap(BASE + HOUR, BASE + 2 * HOUR, 2),)
        assert metric_store.gaps(acme, Tier.FIVE_MINUTES, BASE, _END) == ()
        metric_store.roll_up(Tier.MINUTE, BASE + HOUR, BASE + 2 * HOUR)
        assert metric_store.gaps(acme, Tier.FIVE_MINUTES, BASE, _END) == (Gap(BASE + HOUR, BASE + 2 * HOUR, 1),)
        rolled_up(metric_store)
        assert not any(metric_store.gaps(acme, tier, BASE, _END) for tier in ROLLED_UP)
        assert metric_store.gaps(umbrella, Tier.MINUTE, BASE, _END) == ()

    def test_windows_that_should_be_gone_are_a_gap_too(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE + HOUR, 1.0)))
        rolled_up(metric_store)
        metric_store.expire(acme, Tier.RAW, BASE + HOUR)
        assert metric_store.gaps(acme, Tier.MINUTE, BASE, _END) == (Gap(BASE, BASE + HOUR, 1),)

    @pytest.mark.parametrize("expired", Tier)
    def test_what_expires_is_gone_from_that_tier_of_that_organization_alone(
        self, metric_store, acme, umbrella, expired
    ):
        rows = [point(BASE + at * HOUR, value, field=str(value)) for at in range(3) for value in (1.5, "a")]
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, *rows))
        rolled_up(metric_store)
        for _ in range(2):
            metric_store.expire(acme, expired, BASE + HOUR)
        for organization_id, left in ((acme, 4), (umbrella, 6)):
            held = [metric_store.count_windows(organization_id, tier) for tier in ROLLED_UP]
            held.insert(0, metric_store.count_points(organization_id))
            assert held == [left if tier is expired else 6 for tier in Tier]

    def test_deleting_takes_the_windows_along(self, metric_store, acme, umbrella):
        for organization_id in (acme, umbrella):
            rows = [point(BASE, value, host=host, field=str(value)) for host in "ab" for value in (1.5, "x", True)]
            metric_store.write(batch_of(organization_id, *rows))
        rolled_up(metric_store)
        metric_store.delete_matching(acme, [("host", "a")])
        assert [metric_store.count_windows(acme, tier) for tier in ROLLED_UP] == [3, 3, 3]
        metric_store.delete_organization(acme)
        assert [metric_store.count_windows(acme, tier) for tier in ROLLED_UP] == [0, 0, 0]
        assert [metric_store.count_windows(umbrella, tier) for tier in ROLLED_UP] == [6, 6, 6]

    def test_what_is_not_old_enough_is_kept(self, new_store, acme):
        store = new_store()
        now_ns = BASE + 365 * 24 * HOUR
        store.write(batch_of(acme, point(now_ns, 1.0)))
        for tier in ROLLED_UP:
            store.roll_up(tier, now_ns // HOUR * HOUR, now_ns // HOUR * HOUR + HOUR)
        for _ in range(2):
            store.keep({tier: 100 * kept_ns for tier, kept_ns in KEPT_NS.items()})
        assert store.count_points(acme) == 1
        assert [store.count_windows(acme, tier) for tier in ROLLED_UP] == [1, 1, 1]
        query = question(acme, now_ns, now_ns + SECOND, Aggregate.LAST)
        assert answered(store, query) == {(): [(now_ns // 10**6, 1.0)]}

    def test_what_is_left_of_points_that_expired_is_counted_and_deleted_by_its_tags(self, metric_store, acme, umbrella):
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, point(BASE, 1.0, host="a"), point(BASE, 2.0, host="b")))
        rolled_up(metric_store, BASE + HOUR)
        for organization_id in (acme, umbrella):
            metric_store.expire(organization_id, Tier.RAW, BASE + HOUR)
        assert metric_store.count_points(acme) == 0
        assert metric_store.count_matching(acme, [("host", "a")]) >= len(ROLLED_UP)
        metric_store.delete_matching(acme, [("host", "a")])
        assert metric_store.count_matching(acme, [("host", "a")]) == 0
        assert [metric_store.count_windows(acme, tier) for tier in ROLLED_UP] == [1, 1, 1]
        assert [metric_store.count_windows(umbrella, tier) for tier in ROLLED_UP] == [2, 2, 2]


_KEPT = frozenset({"count", "sum", "avg", "min", "max", "first", "last", "rate", "increase", "percentile"})
