"""What every metric store promises of writing. Mixed into a test class that has the fixture `new_store`."""

from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.metric_reference import expected_answer
from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point, question
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FieldClass, PointBatch, Rejection, SeriesKey, WriteOutcome
from strata_datamodel.spooling import SpoolPosition


class MetricWriteContract(MetricSubjects):
    def test_prepare_may_be_called_again(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0)))
        metric_store.prepare()
        assert metric_store.count_points(acme) == 1

    def test_a_written_point_can_be_read_when_write_returns(self, metric_store, acme):
        outcome = metric_store.write(batch_of(acme, point(BASE, 42.5, host="a")))
        assert outcome == WriteOutcome(1)
        assert answered(metric_store, whole_range(acme, Aggregate.LAST)) == {(): [(BASE // 10**6, 42.5)]}

    def test_the_last_write_wins_across_batches_and_counts_once(self, metric_store, acme):
        for value in (1.0, 3.0, 2.0):
            metric_store.write(batch_of(acme, point(BASE, value, host="a"), point(BASE + SECOND, value, host="a")))
        assert metric_store.count_points(acme) == 2
        assert answered(metric_store, whole_range(acme, Aggregate.SUM)) == {(): [(BASE // 10**6, 4.0)]}

    def test_the_last_row_wins_within_a_batch(self, metric_store, acme):
        rows = [point(BASE, value, host="a") for value in (5.0, 9.0, 7.0)]
        metric_store.write(batch_of(acme, *rows, point(BASE, 1.0, host="b")))
        assert metric_store.count_points(acme) == 2
        assert answered(metric_store, whole_range(acme, Aggregate.SUM)) == {(): [(BASE // 10**6, 8.0)]}

    def test_an_older_point_does_not_replace_a_newer_one(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE + SECOND, 2.0)))
        metric_store.write(batch_of(acme, point(BASE, 1.0)))
        assert metric_store.count_points(acme) == 2
        assert answered(metric_store, whole_range(acme, Aggregate.LAST)) == {(): [(BASE // 10**6, 2.0)]}

    def test_points_a_microsecond_and_a_nanosecond_apart_stay_apart(self, metric_store, acme):
        metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE + 1, 2.0), point(BASE + 1000, 3.0)))
        assert metric_store.count_points(acme) == 3
        assert answered(metric_store, question(acme, BASE + 1, BASE + 1000, Aggregate.SUM)) == {
            (): [((BASE + 1) // 10**6, 2.0)]
        }

    def test_a_batch_written_again_leaves_the_same_points(self, metric_store, acme, umbrella):
        source = SpoolPosition(uuid4(), 7)
        batch = batch_of(acme, point(BASE, 1.0, host="a"), point(BASE + 5, "x"), point(BASE, True), source=source)
        metric_store.write(batch_of(umbrella, point(BASE, 9.0)))
        assert metric_store.write(batch) == metric_store.write(batch) == WriteOutcome(3)
        assert (metric_store.count_points(acme), metric_store.count_points(umbrella)) == (3, 1)
        assert metric_store.committed_sequence(source.spool_id) in (7, None)

    def test_a_sequence_of_an_unknown_spool_is_none(self, metric_store):
        assert metric_store.committed_sequence(uuid4()) is None

    def test_an_empty_batch_is_written(self, metric_store, acme):
        assert metric_store.write(batch_of(acme)) == WriteOutcome(0)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
    def test_a_number_that_is_none_is_rejected_and_the_others_stay(self, metric_store, acme, value):
        outcome = metric_store.write(batch_of(acme, point(BASE, 1.0), point(BASE + 1, value), point(BASE + 2, 3.0)))
        assert outcome.written == 2
        assert [rejection.index for rejection in outcome.rejected] == [1]
        assert "finite" in outcome.rejected[0].reason
        assert metric_store.count_points(acme) == 2

    @pytest.mark.parametrize(
        "key",
        [
            SeriesKey("", (), "usage", FieldClass.NUMBER),
            SeriesKey("cpu", (), "", FieldClass.NUMBER),
            SeriesKey("cpu\nmem,organization=x n_usage=1", (), "usage", FieldClass.NUMBER),
            SeriesKey("cpu", (("host", "a\nb"),), "usage", FieldClass.NUMBER),
            SeriesKey("cpu", (("ho\nst", "a"),), "usage", FieldClass.NUMBER),
            SeriesKey("cpu", (("host", ""),), "usage", FieldClass.NUMBER),
            SeriesKey("cpu", (("host", "\ud800"),), "usage", FieldClass.NUMBER),
        ],
        ids=["no measurement", "no field", "two lines", "line break in value", "in name", "empty tag", "surrogate"],
    )
    def test_a_series_that_cannot_be_named_is_rejected_row_by_row(self, metric_store, acme, key):
        good = SeriesKey("cpu", (), "usage", FieldClass.NUMBER)
        batch = PointBatch(
            acme,
            (good, key),
            np.array([1, 0, 1], np.int32),
            np.array([BASE, BASE, BASE + 1]),
            np.array([1.0, 2.0, 3.0]),
        )
        outcome = metric_store.write(batch)
        assert outcome.written == 1
        assert [rejection.index for rejection in outcome.rejected] == [0, 2]
        assert all(isinstance(rejection, Rejection) and rejection.reason for rejection in outcome.rejected)
        assert metric_store.count_points(acme) == 1

    @pytest.mark.parametrize("value", [0.1, -0.0, 1e300, 5e-324, 1.7976931348623157e308, 2.0**53 + 2, 1e16, -1e-7])
    def test_numbers_come_back_to_the_last_bit(self, metric_store, acme, value):
        metric_store.write(batch_of(acme, point(BASE, value)))
        ((_, read),) = answered(metric_store, whole_range(acme, Aggregate.LAST))[()]
        assert read == value

    def test_strings_come_back_as_they_were(self, metric_store, acme):
        texts = ['say "hi"', "back\\slash", "two\nlines", "", "Größe ☃", " padded ", "a\\", "a\\\\n", "x" * 16_000]
        metric_store.write(batch_of(acme, *(point(BASE + n * SECOND, text) for n, text in enumerate(texts))))
        query = question(acme, BASE, BASE + 60 * SECOND, Aggregate.LAST, step_ns=SECOND)
        assert [value for _, value in answered(metric_store, query)[()]] == texts

    @pytest.mark.parametrize(
        "name",
        [
            "a b",
            "a,b",
            "a=b",
            'a"b',
            "a'b",
            "a\\b",
            "#a",
            "_series",
            "~a",
            "time",
            "Größe",
            " a ",
            "/a/",
            "$x",
        ],
    )
    def test_any_name_works_for_measurements_tags_fields_and_values(self, metric_store, acme, name):
        metric_store.write(batch_of(acme, point(BASE, 1.0, measurement=name, field=name, **{name: name})))
        query = whole_range(acme, Aggregate.SUM, measurement=name, field=name, group_by=(name,))
        assert answered(metric_store, query) == {(name,): [(BASE // 10**6, 1.0)]}

    @pytest.mark.parametrize("name", ["a\\,b", "a\\ b", "a\\=b", "a\\\\b", "a\\", "a\\\\", "C:\\"])
    @pytest.mark.parametrize("role", ["measurement", "field", "tag", "value"])
    def test_a_name_with_backslashes_is_kept_as_it_is_or_refused(self, metric_store, acme, role, name):
        names = {"measurement": "cpu", "field": "usage", "tag": "host", "value": "a"} | {role: name}
        series = {"measurement": names["measurement"], "field": names["field"]}
        outcome = metric_store.write(batch_of(acme, point(BASE, 1.0, **series, **{names["tag"]: names["value"]})))
        read = answered(metric_store, whole_range(acme, Aggregate.SUM, **series, group_by=(names["tag"],)))
        if outcome.rejected:
            assert "backslash" in outcome.rejected[0].reason
            assert (read, metric_store.count_points(acme)) == ({}, 0)
        else:
            assert read == {(names["value"],): [(BASE // 10**6, 1.0)]}
            metric_store.delete_organization(acme)
            assert metric_store.count_points(acme) == 0

    @pytest.mark.parametrize("tag", ["time", "_measurement", "_field", "organization", "usage", "n_usage", "t_host"])
    def test_tags_with_the_names_of_other_things_are_just_tags(self, metric_store, acme, tag):
        metric_store.write(batch_of(acme, point(BASE, 1.0, **{tag: "x"}), point(BASE, 2.0, host="x")))
        query = whole_range(acme, Aggregate.SUM, group_by=(tag, "host"))
        start = BASE // 10**6
        assert answered(metric_store, query) == {("", "x"): [(start, 2.0)], ("x", ""): [(start, 1.0)]}

    @given(
        writes=st.lists(
            st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6), st.integers(-5, 5)), min_size=1, max_size=12),
            min_size=1,
            max_size=5,
        ),
        replayed=st.integers(0, 4),
    )
    @settings(
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    def test_whatever_is_written_in_whatever_order_the_last_write_of_each_point_stands(
        self, metric_store, writes, replayed
    ):
        organization_id = OrganizationId(uuid4())
        batches = [[point(BASE + at * SECOND, float(value), host=host) for host, at, value in rows] for rows in writes]
        for rows in [*batches, batches[-1 - replayed % len(batches)], *batches]:
            metric_store.write(batch_of(organization_id, *rows))
        flat = [each for rows in batches for each in rows]
        query = question(organization_id, BASE, BASE + 60 * SECOND, Aggregate.SUM, step_ns=SECOND, group_by=("host",))
        assert answered(metric_store, query) == expected_answer(flat, query)
        assert metric_store.count_points(organization_id) == len({(each.series, each.time_ns) for each in flat})
