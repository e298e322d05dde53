"""What every metric store promises of questions. Mixed into a test class that has the fixture `new_store`."""

from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.metric_reference import expected_answer
from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import MINUTE, SECOND, batch_of, point, question
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import QUERY_FILTER_VALUES, QUERY_FILTERS, QUERY_GROUP_TAGS, REGEX_LENGTH
from strata_datamodel.metrics import Aggregate, FilterOp, MetricAnswer, TagFilter

START = BASE // 10**6
FOLDS = tuple(each for each in Aggregate if each not in (Aggregate.DISTINCT, Aggregate.MODE))

_HOSTS = ["", "a", "b", "web-1"]
_POINTS = st.lists(
    st.tuples(
        st.integers(-130, 400),
        st.floats(-1e6, 1e6, allow_subnormal=False) | st.integers(0, 20).map(float),
        st.sampled_from(_HOSTS),
        st.sampled_from(["", "eu", "us"]),
    ),
    max_size=40,
)
_FILTERS = st.lists(
    st.one_of(
        st.builds(
            TagFilter, st.just("host"), st.sampled_from([FilterOp.EQ, FilterOp.NE]), st.tuples(st.sampled_from(_HOSTS))
        ),
        st.builds(
            TagFilter,
            st.sampled_from(["host", "region", "missing"]),
            st.sampled_from([FilterOp.MATCH, FilterOp.NO_MATCH]),
            st.tuples(st.sampled_from(["a", "^$", ".*", ".+", "^(a|b)$", "web-[0-9]", "u", "/", "\\\\$"])),
        ),
        st.builds(
            TagFilter, st.just("host"), st.just(FilterOp.IN), st.lists(st.sampled_from(_HOSTS), max_size=3).map(tuple)
        ),
    ),
    max_size=2,
).map(tuple)


class MetricQueryContract(MetricSubjects):
    @pytest.mark.parametrize("aggregate", FOLDS)
    @given(
        points=_POINTS,
        filters=_FILTERS,
        group_by=st.sampled_from([(), ("host",), ("region", "host"), ("missing",)]),
        step_ns=st.sampled_from([None, 10 * SECOND, MINUTE, 7 * SECOND]),
        start_s=st.integers(-120, 60),
        length_s=st.integers(1, 400),
        percentile=st.sampled_from([1.0, 29.0, 50.0, 90.0, 99.0, 99.9, 100.0]),
    )
    @settings(
        max_examples=12,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_every_answer_is_that_of_the_plain_reference(
        self, metric_store, aggregate, points, filters, group_by, step_ns, start_s, length_s, percentile
    ):
        organization_id = OrganizationId(uuid4())
        rows = [
            point(BASE + at * SECOND, value, **{k: v for k, v in (("host", host), ("region", region)) if v})
            for at, value, host, region in points
        ]
        metric_store.write(batch_of(organization_id, *rows))
        query = question(
            organization_id,
            BASE + start_s * SECOND,
            BASE + (start_s + length_s) * SECOND,
            aggregate,
            step_ns=step_ns,
            percentile=percentile if aggregate is Aggregate.PERCENTILE else None,
            filters=filters,
            group_by=group_by,
        )
        read, expected = answered(metric_store, query), expected_answer(rows, query)
        assert list(read) == list(expected)
        for group, windows in expected.items():
            assert [start for start, _ in read[group]] == [start for start, _ in windows]
            assert [value for _, value in read[group]] == pytest.approx(
                [value for _, value in windows], rel=1e-9, abs=1e-6
            )

    def test_windows_are_aligned_to_the_epoch_and_cut_by_the_range(self, metric_store, acme):
        metric_store.write(batch_of(acme, *(point(BASE + at * SECOND, 1.0) for at in range(0, 180, 10))))
        query = question(acme, BASE + 30 * SECOND, BASE + 130 * SECOND, Aggregate.COUNT, step_ns=MINUTE)
        assert answered(metric_store, query) == {(): [(START, 3), (START + 60_000, 6), (START + 120_000, 1)]}

    def test_the_range_includes_its_beginning_and_excludes_its_end(self, metric_store, acme):
        metric_store.write(batch_of(acme, *(point(BASE + at, 1.0) for at in (-1, 0, 1, 9, 10))))
        query = question(acme, BASE, BASE + 10, Aggregate.COUNT)
        assert answered(metric_store, query) == {(): [(START, 3)]}

    def test_windows_without_points_are_absent(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE + 10 * MINUTE, 2.0)))
        query = whole_range(acme, Aggregate.AVG, step_ns=MINUTE)
        assert answered(metric_store, query) == {(): [(START, 1.0), (START + 600_000, 2.0)]}

    def test_times_before_1970_have_windows_too(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(-90 * SECOND, 1.0), point(-30 * SECOND, 2.0), point(SECOND, 4.0)))
        query = question(acme, -100 * SECOND, 100 * SECOND, Aggregate.SUM, step_ns=MINUTE)
        assert answered(metric_store, query) == {(): [(-120_000, 1.0), (-60_000, 2.0), (0, 4.0)]}

    def test_series_come_in_the_order_of_their_tag_values(self, metric_store, acme):
        hosts = ["b", "B", "a", "é", "z", "10", "9"]
        metric_store.write(batch_of(acme, *(point(BASE, 1.0, host=host) for host in hosts), point(BASE, 1.0)))
        answer = metric_store.query(whole_range(acme, Aggregate.COUNT, group_by=("host",)))
        assert [series.tags["host"] for series in answer.series] == sorted(["", *hosts])

    @pytest.mark.parametrize(
        ("tag_filter", "hosts"),
        [
            (TagFilter("host", FilterOp.EQ, ("",)), [""]),
            (TagFilter("host", FilterOp.EQ, ("a",)), ["a"]),
            (TagFilter("host", FilterOp.NE, ("",)), ["a", "b"]),
            (TagFilter("host", FilterOp.NE, ("a",)), ["", "b"]),
            (TagFilter("host", FilterOp.MATCH, ("^$",)), [""]),
            (TagFilter("host", FilterOp.MATCH, (".*",)), ["", "a", "b"]),
            (TagFilter("host", FilterOp.MATCH, (".",)), ["a", "b"]),
            (TagFilter("host", FilterOp.NO_MATCH, ("a",)), ["", "b"]),
            (TagFilter("host", FilterOp.NO_MATCH, (".*",)), []),
            (TagFilter("host", FilterOp.IN, ("", "b")), ["", "b"]),
            (TagFilter("host", FilterOp.IN, ("b", "nope")), ["b"]),
            (TagFilter("host", FilterOp.IN, ()), []),
            (TagFilter("nope", FilterOp.EQ, ("",)), ["", "a", "b"]),
            (TagFilter("nope", FilterOp.NE, ("x",)), ["", "a", "b"]),
            (TagFilter("nope", FilterOp.NE, ("",)), []),
            (TagFilter("nope", FilterOp.NO_MATCH, ("x",)), ["", "a", "b"]),
            (TagFilter("nope", FilterOp.MATCH, ("x",)), []),
            (TagFilter("host", FilterOp.MATCH, ("A",)), []),
            (TagFilter("host", FilterOp.MATCH, ("(?i)A",)), ["a"]),
        ],
        ids=str,
    )
    def test_a_tag_that_a_series_lacks_counts_as_empty(self, metric_store, acme, tag_filter, hosts):
        metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE, 1.0, host="a"), point(BASE, 1.0, host="b")))
        query = whole_range(acme, Aggregate.COUNT, filters=(tag_filter,), group_by=("host",))
        assert [group for (group,) in answered(metric_store, query)] == hosts

    def test_a_counter_that_falls_was_restarted_from_zero(self, metric_store, acme):
        readings = [(0, 100.0), (10, 130.0), (20, 5.0), (30, 25.0)]
        metric_store.write(batch_of(acme, *(point(BASE + at * SECOND, value) for at, value in readings)))
        assert answered(metric_store, whole_range(acme, Aggregate.RATE)) == {(): [(START, pytest.approx(55 / 30))]}

    def test_rates_of_several_counters_are_added_up(self, metric_store, acme):
        rows = [
            point(BASE + at * SECOND, at * speed, host=host)
            for at in (0, 10, 20)
            for host, speed in (("a", 2.0), ("b", 3.0))
        ]
        metric_store.write(batch_of(acme, *rows))
        assert answered(metric_store, whole_range(acme, Aggregate.RATE)) == {(): [(START, pytest.approx(5.0))]}

    def test_a_single_reading_has_no_rate(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 5.0)))
        assert metric_store.query(whole_range(acme, Aggregate.RATE)) == MetricAnswer()

    @pytest.mark.parametrize("aggregate", FOLDS)
    def test_the_range_may_be_all_of_time(self, metric_store, acme, aggregate):
        metric_store.write(batch_of(acme, point(BASE, 3.0), point(BASE + SECOND, 6.0)))
        percentile = 100.0 if aggregate is Aggregate.PERCENTILE else None
        for from_ns in (0, -SECOND):
            query = question(acme, from_ns, 2**63 - 2 + min(from_ns, 0), aggregate, percentile=percentile)
            ((start_ms, value),) = answered(metric_store, query)[()]
            assert start_ms == from_ns // 10**6
            assert value in (2, 3.0, 4.5, 6.0, 9.0)

    @pytest.mark.parametrize("order", [(3.0, 7.0, 5.0), (7.0, 3.0, 5.0), (3.0, 5.0, 7.0)])
    @pytest.mark.parametrize("aggregate", [Aggregate.FIRST, Aggregate.LAST])
    @pytest.mark.parametrize("step_ns", [None, MINUTE])
    def test_which_of_several_series_is_greatest_does_not_matter(self, metric_store, acme, order, aggregate, step_ns):
        rows = [point(BASE, number, host=host) for number, host in zip(order, "abc", strict=True)]
        metric_store.write(batch_of(acme, *rows))
        assert answered(metric_store, whole_range(acme, aggregate, step_ns=step_ns)) == {(): [(START, 7.0)]}

    @pytest.mark.parametrize(("aggregate", "value"), [(Aggregate.FIRST, 7.0), (Aggregate.LAST, 9.0)])
    def test_of_several_series_at_one_time_the_greatest_is_first_and_last(self, metric_store, acme, aggregate, value):
        rows = [(0, 3.0, "a"), (0, 7.0, "b"), (0, 5.0, "c"), (1, 2.0, "a"), (1, 8.0, "b"), (1, 9.0, "c")]
        metric_store.write(batch_of(acme, *(point(BASE + at, number, host=host) for at, number, host in rows)))
        assert answered(metric_store, whole_range(acme, aggregate)) == {(): [(START, value)]}

    @pytest.mark.parametrize("value", ["up", True], ids=["strings", "booleans"])
    def test_strings_and_booleans_serve_count_first_and_last_only(self, metric_store, acme, value):
        metric_store.write(batch_of(acme, point(BASE, value)))
        assert answered(metric_store, whole_range(acme, Aggregate.COUNT)) == {(): [(START, 1)]}
        for aggregate in (Aggregate.SUM, Aggregate.AVG, Aggregate.MIN, Aggregate.MAX, Aggregate.RATE):
            with pytest.raises(InvalidError) as refused:
                metric_store.query(whole_range(acme, aggregate))
            assert refused.value.code == "aggregate_needs_numbers"
        with pytest.raises(InvalidError):
            metric_store.query(whole_range(acme, Aggregate.PERCENTILE, percentile=50))

    def test_strings_have_a_first_and_a_last(self, metric_store, acme):
        metric_store.write(
            batch_of(acme, point(BASE, "up"), point(BASE + 1, "down"), point(BASE + 1, "dead", host="b"))
        )
        assert answered(metric_store, whole_range(acme, Aggregate.FIRST)) == {(): [(START, "up")]}
        assert answered(metric_store, whole_range(acme, Aggregate.LAST)) == {(): [(START, "down")]}

    def test_booleans_are_one_and_zero(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, True), point(BASE + 1, False)))
        assert answered(metric_store, whole_range(acme, Aggregate.FIRST)) == {(): [(START, 1.0)]}
        assert answered(metric_store, whole_range(acme, Aggregate.LAST)) == {(): [(START, 0.0)]}

    def test_numbers_answer_before_booleans_and_those_before_strings(self, metric_store, acme, umbrella):
        metric_store.write(batch_of(umbrella, point(BASE, 1.0)))
        metric_store.write(batch_of(acme, point(BASE, "a"), point(BASE + 1, "b")))
        assert answered(metric_store, whole_range(acme, Aggregate.LAST)) == {(): [(START, "b")]}
        metric_store.write(batch_of(acme, point(BASE, True), point(BASE + 1, True), point(BASE + 2, True)))
        assert answered(metric_store, whole_range(acme, Aggregate.COUNT)) == {(): [(START, 3)]}
        metric_store.write(batch_of(acme, point(BASE - 10 * MINUTE, 4.0)))
        assert metric_store.query(whole_range(acme, Aggregate.COUNT)) == MetricAnswer()
        assert metric_store.count_points(acme) == 6

    def test_a_type_class_only_another_organization_has_is_not_noticed(self, metric_store, acme, umbrella):
        metric_store.write(batch_of(umbrella, point(BASE, "text")))
        assert metric_store.query(whole_range(acme, Aggregate.SUM)) == MetricAnswer()

    def test_an_unknown_measurement_or_field_is_an_empty_answer(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0)))
        assert metric_store.query(whole_range(acme, Aggregate.AVG, measurement="nope")) == MetricAnswer()
        assert metric_store.query(whole_range(acme, Aggregate.AVG, field="nope", group_by=("host",))) == MetricAnswer()

    @pytest.mark.parametrize("pattern", ["[", "(", "a)(b", "a{2,1}", "\\", "abc\\", "(?<=a)b", "*"])
    @pytest.mark.parametrize("measurement", ["cpu", "unknown"])
    def test_a_pattern_that_is_none_is_invalid(self, metric_store, acme, pattern, measurement):
        metric_store.write(batch_of(acme, point(BASE, 1.0, host="a")))
        filters = (TagFilter("host", FilterOp.MATCH, (pattern,)),)
        with pytest.raises(InvalidError) as refused:
            metric_store.query(whole_range(acme, Aggregate.SUM, measurement=measurement, filters=filters))
        assert refused.value.code == "bad_regex"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"to_ns": BASE}, "bad_range"),
            ({"to_ns": 2**70}, "bad_range"),
            ({"step_ns": 0}, "bad_step"),
            ({"step_ns": 1_500_000}, "bad_step"),
            ({"percentile": 0.0, "aggregate": Aggregate.PERCENTILE}, "bad_percentile"),
            ({"percentile": 101.0, "aggregate": Aggregate.PERCENTILE}, "bad_percentile"),
            ({"aggregate": Aggregate.PERCENTILE}, "bad_percentile"),
            ({"group_by": ("a", "a")}, "bad_group_by"),
            ({"group_by": tuple(f"t{n}" for n in range(QUERY_GROUP_TAGS + 1))}, "query_group_tags"),
            ({"filters": (TagFilter("a", FilterOp.EQ, ("x",)),) * (QUERY_FILTERS + 1)}, "query_filters"),
            ({"filters": (TagFilter("a", FilterOp.EQ, ()),)}, "bad_filter"),
            ({"filters": (TagFilter("a", FilterOp.MATCH, ("a" * (REGEX_LENGTH + 1),)),)}, "regex_length"),
            ({"filters": (TagFilter("a", FilterOp.IN, ("a",) * (QUERY_FILTER_VALUES + 1)),)}, "query_filter_values"),
        ],
    )
    def test_a_question_beyond_the_rules_is_refused(self, metric_store, acme, changes, code):
        options = {"from_ns": BASE, "to_ns": BASE + MINUTE, "aggregate": Aggregate.SUM} | changes
        with pytest.raises((InvalidError, LimitError)) as refused:
            metric_store.query(question(acme, **options))
        assert refused.value.code == code

    @pytest.mark.parametrize("aggregate", [Aggregate.SUM, Aggregate.RATE])
    def test_more_series_than_the_limit_are_refused(self, new_store, acme, aggregate):
        store = new_store(max_series=3)
        rows = [point(BASE + at * SECOND, float(at), host=f"h{n}") for n in range(4) for at in (0, 1)]
        store.write(batch_of(acme, *rows))
        with pytest.raises(LimitError) as refused:
            store.query(whole_range(acme, aggregate, group_by=("host",)))
        assert refused.value.code == "query_series"
        three = (TagFilter("host", FilterOp.NE, ("h0",)),)
        assert len(store.query(whole_range(acme, aggregate, group_by=("host",), filters=three)).series) == 3

    @pytest.mark.parametrize("aggregate", [Aggregate.MAX, Aggregate.RATE])
    def test_more_points_than_the_limit_are_refused(self, new_store, acme, aggregate):
        store = new_store(max_points=20)
        store.write(batch_of(acme, *(point(BASE + at * SECOND, float(at)) for at in range(-1, 21))))
        query = question(acme, BASE - SECOND, BASE + 21 * SECOND, aggregate, step_ns=SECOND)
        with pytest.raises(LimitError) as refused:
            store.query(query)
        assert refused.value.code == "query_points"
        within = question(acme, BASE, BASE + 20 * SECOND, aggregate, step_ns=SECOND)
        assert len(store.query(within).series[0].points) in (19, 20)

    def test_health_says_ready_and_a_version(self, metric_store):
        health = metric_store.health()
        assert health.is_ready, health.detail
        assert health.version
        assert health.latency_ms is not None
