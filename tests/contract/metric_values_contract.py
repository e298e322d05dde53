"""What a metric store promises of values: how many, which most often, and which count. Mixed into a test class that has
`new_store`."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.metric_reference import expected_answer
from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import MINUTE, SECOND, batch_of, point
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, MetricAnswer, ValueFilter, ValueOp
from strata_datamodel.tiers import Stretch, Tier

_START = BASE // 10**6
_TEXTS = ["", "up", "down", "it's", 'say "hi"', "a\\b", "two\nlines", "Größe"]
_NUMBER_OPS = [op for op in ValueOp if op not in (ValueOp.MATCH, ValueOp.NO_MATCH)]
_TEXT_OPS = [ValueOp.EQ, ValueOp.NE]
_CLASSES = st.one_of(
    st.tuples(
        st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=25),
        st.lists(st.builds(ValueFilter, st.sampled_from(_NUMBER_OPS), st.integers(-3, 3).map(float)), max_size=2),
    ),
    st.tuples(
        st.lists(st.sampled_from(_TEXTS), min_size=1, max_size=25),
        st.lists(st.builds(ValueFilter, st.sampled_from(_TEXT_OPS), st.sampled_from(_TEXTS)), max_size=2),
    ),
    st.tuples(
        st.lists(st.sampled_from(_TEXTS), min_size=1, max_size=25),
        st.lists(
            st.builds(
                ValueFilter,
                st.sampled_from([ValueOp.MATCH, ValueOp.NO_MATCH]),
                st.sampled_from(["u", "^$", "^(up|down)$", "'", "\\\\", "/", "ö"]),
            ),
            max_size=2,
        ),
    ),
    st.tuples(
        st.lists(st.booleans(), min_size=1, max_size=25),
        st.lists(st.builds(ValueFilter, st.sampled_from(_TEXT_OPS), st.sampled_from([0.0, 1.0])), max_size=1),
    ),
)


class MetricValuesContract(MetricSubjects):
    @given(
        values_and_filters=_CLASSES,
        aggregate=st.sampled_from(
            [Aggregate.DISTINCT, Aggregate.MODE, Aggregate.COUNT, Aggregate.FIRST, Aggregate.LAST]
        ),
        step_ns=st.sampled_from([None, MINUTE]),
        group_by=st.sampled_from([(), ("host",)]),
    )
    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_every_answer_about_values_is_that_of_the_plain_reference(
        self, metric_store, values_and_filters, aggregate, step_ns, group_by
    ):
        values, filters = values_and_filters
        organization_id = OrganizationId(uuid4())
        rows = [point(BASE + at * 7 * SECOND, value, host="ab"[at % 2]) for at, value in enumerate(values)]
        metric_store.write(batch_of(organization_id, *rows))
        query = whole_range(organization_id, aggregate, step_ns=step_ns, group_by=group_by)
        query = replace(query, value_filters=tuple(filters))
        assert answered(metric_store, query) == expected_answer(rows, query)

    def test_sums_and_percentiles_are_of_the_values_that_count(self, metric_store, acme, umbrella):
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, *(point(BASE + at * SECOND, float(at)) for at in range(10))))
        above = (ValueFilter(ValueOp.GT, 3.0), ValueFilter(ValueOp.NE, 7.0))
        for aggregate, value in ((Aggregate.SUM, 32.0), (Aggregate.MIN, 4.0), (Aggregate.PERCENTILE, 9.0)):
            percentile = 100.0 if aggregate is Aggregate.PERCENTILE else None
            query = replace(whole_range(acme, aggregate, percentile=percentile), value_filters=above)
            assert answered(metric_store, query) == {(): [(_START, value)]}

    @pytest.mark.parametrize("text", ["' OR 1=1 --", "x' OR organization =~ /.*/ OR 'a'='a", "\\' OR 1=1 --", "$v0"])
    def test_a_crafted_value_is_a_value(self, metric_store, acme, umbrella, text):
        metric_store.write(batch_of(acme, point(BASE, "a"), point(BASE + 1, text)))
        metric_store.write(batch_of(umbrella, point(BASE, "a"), point(BASE + 1, "b")))
        query = whole_range(acme, Aggregate.COUNT)
        for op in (ValueOp.EQ, ValueOp.NE):
            crafted = replace(query, value_filters=(ValueFilter(op, text),))
            assert answered(metric_store, crafted) == {(): [(_START, 1)]}

    @pytest.mark.parametrize(
        ("value", "value_filter", "code"),
        [
            (1.0, ValueFilter(ValueOp.EQ, "a"), "bad_value_filter"),
            ("a", ValueFilter(ValueOp.EQ, 1.0), "bad_value_filter"),
            (True, ValueFilter(ValueOp.GT, 0.0), "bad_value_filter"),
            (1.0, ValueFilter(ValueOp.MATCH, 1.0), "bad_value_filter"),
            ("a", ValueFilter(ValueOp.LT, "b"), "bad_value_filter"),
            (1.0, ValueFilter(ValueOp.LT, float("nan")), "bad_value_filter"),
            ("a", ValueFilter(ValueOp.MATCH, "a)(b"), "bad_regex"),
        ],
    )
    def test_a_filter_that_does_not_suit_the_values_is_refused(self, metric_store, acme, value, value_filter, code):
        metric_store.write(batch_of(acme, point(BASE, value)))
        with pytest.raises(InvalidError) as refused:
            metric_store.query(replace(whole_range(acme, Aggregate.COUNT), value_filters=(value_filter,)))
        assert refused.value.code == code

    def test_what_windows_do_not_tell_is_refused(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0)))
        stretches = (
            Stretch(Tier.MINUTE, BASE, BASE + 30 * MINUTE),
            Stretch(Tier.RAW, BASE + 30 * MINUTE, BASE + 60 * MINUTE),
        )
        distinct = whole_range(acme, Aggregate.DISTINCT)
        filtered = replace(whole_range(acme, Aggregate.SUM), value_filters=(ValueFilter(ValueOp.EQ, 1.0),))
        for query in (distinct, whole_range(acme, Aggregate.MODE), filtered):
            with pytest.raises(InvalidError) as refused:
                metric_store.query(replace(query, stretches=stretches))
            assert refused.value.code == "aggregate_not_kept"
            assert metric_store.query(replace(query, stretches=stretches[1:], from_ns=stretches[1].from_ns)) == (
                MetricAnswer()
            )
