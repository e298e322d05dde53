"""What every metric store promises of two organizations in it. Mixed into a test class that has `new_store`."""

import pytest

from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import InvalidError
from strata_datamodel.metrics import Aggregate, FilterOp, MetricAnswer, TagFilter

_START = BASE // 10**6
CRAFTED = [
    "' OR 1=1 --",
    "' OR '1'='1",
    '" OR "organization" =~ /.*/ OR "x"="',
    "a' OR organization =~ /.*/ OR 'a'='a",
    "\\' OR 1=1 --",
    "\\",
    "/ OR organization =~ /.*",
    "${organization}",
    "$organization",
    "$p0",
    "); DROP SERIES FROM /.*/; --",
    "x; SELECT * FROM points",
    "%s {0} {organization}",
    "☃\u202e\u00a0",
    " leading and trailing ",
    ".*",
]


class MetricIsolationContract(MetricSubjects):
    @pytest.fixture
    def shared(self, metric_store, acme, umbrella) -> MetricStore:
        """Both organizations hold the same series at the same time, with other values."""
        metric_store.write(batch_of(acme, point(BASE, 1.0, host="a")))
        metric_store.write(batch_of(umbrella, point(BASE, 100.0, host="a"), point(BASE, 1000.0, host="b")))
        return metric_store

    def test_the_same_series_of_two_organizations_are_two_series(self, shared, acme, umbrella):
        assert answered(shared, whole_range(acme, Aggregate.SUM)) == {(): [(_START, 1.0)]}
        assert answered(shared, whole_range(umbrella, Aggregate.SUM)) == {(): [(_START, 1100.0)]}
        assert (shared.count_points(acme), shared.count_points(umbrella)) == (1, 2)

    @pytest.mark.parametrize("op", list(FilterOp))
    @pytest.mark.parametrize("place", ["value", "tag"])
    def test_no_filter_reaches_the_other_organization(self, shared, acme, op, place):
        for crafted in CRAFTED:
            crafted_filter = TagFilter("host", op, (crafted,)) if place == "value" else TagFilter(crafted, op, ("a",))
            try:
                answer = answered(shared, whole_range(acme, Aggregate.SUM, filters=(crafted_filter,)))
            except InvalidError as refused:
                assert refused.code == "bad_regex", crafted  # noqa: PT017 - a refusal is fine
            else:
                assert answer in ({}, {(): [(_START, 1.0)]}), crafted

    def test_no_name_reaches_the_other_organization(self, shared, acme):
        for crafted in CRAFTED:
            for names in ({"measurement": crafted}, {"field": crafted}):
                assert shared.query(whole_range(acme, Aggregate.SUM, **names)) == MetricAnswer(), crafted
            grouped = answered(shared, whole_range(acme, Aggregate.SUM, group_by=(crafted, "host")))
            assert grouped == {("", "a"): [(_START, 1.0)]}, crafted

    @pytest.mark.parametrize("tag", ["organization", "organization_id", "t_organization"])
    def test_a_tag_named_like_the_boundary_neither_crosses_nor_hides_it(self, shared, acme, umbrella, tag):
        shared.write(batch_of(acme, point(BASE + SECOND, 7.0, **{tag: str(umbrella)})))
        assert answered(shared, whole_range(umbrella, Aggregate.SUM)) == {(): [(_START, 1100.0)]}
        query = whole_range(acme, Aggregate.SUM, filters=(TagFilter(tag, FilterOp.EQ, (str(umbrella),)),))
        assert answered(shared, query) == {(): [(_START, 7.0)]}
        assert answered(shared, whole_range(acme, Aggregate.SUM)) == {(): [(_START, 8.0)]}

    def test_grouping_by_the_boundary_shows_only_the_users_tag(self, shared, acme):
        query = whole_range(acme, Aggregate.SUM, group_by=("organization",))
        assert answered(shared, query) == {("",): [(_START, 1.0)]}

    def test_deleting_an_organization_leaves_the_other_untouched(self, shared, acme, umbrella):
        shared.write(
            batch_of(acme, point(BASE, "text"), point(BASE, True, field="up"), point(BASE, 1.0, measurement="m 2"))
        )
        shared.delete_organization(acme)
        assert shared.count_points(acme) == 0
        assert shared.query(whole_range(acme, Aggregate.SUM)) == MetricAnswer()
        assert shared.count_points(umbrella) == 2
        assert answered(shared, whole_range(umbrella, Aggregate.SUM)) == {(): [(_START, 1100.0)]}

    @pytest.mark.parametrize("name", ["a b", "a,b", "a=b", 'a"b', "#a", "_series", "~~", "Größe", "a\\b", "a'b", "/x/"])
    def test_deletion_finds_every_measurement_tag_and_field(self, metric_store, acme, umbrella, name):
        rows = point(BASE, 1.0, measurement=name), point(BASE, 1.0, field=name), point(BASE, 1.0, **{name: name})
        for organization_id in (acme, umbrella):
            metric_store.write(batch_of(organization_id, *rows))
        metric_store.delete_organization(acme)
        assert (metric_store.count_points(acme), metric_store.count_points(umbrella)) == (0, 3)

    def test_deleting_again_and_deleting_nothing_are_fine(self, shared, acme):
        shared.delete_organization(acme)
        shared.delete_organization(acme)
        assert shared.count_points(acme) == 0

    def test_a_deleted_organization_can_write_again(self, shared, acme, umbrella):
        shared.delete_organization(acme)
        shared.write(batch_of(acme, point(BASE, 5.0, host="a"), point(BASE + SECOND, 6.0, host="a")))
        assert answered(shared, whole_range(acme, Aggregate.SUM)) == {(): [(_START, 11.0)]}
        assert shared.count_points(umbrella) == 2
