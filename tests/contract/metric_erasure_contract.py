"""What every metric store promises of deleting by tags. Mixed into a test class that has `new_store`."""

import pytest

from contract.metric_isolation_contract import CRAFTED
from contract.metric_subjects import MetricSubjects
from contract.metric_views import BASE, answered, whole_range
from factories.point_batches import SECOND, batch_of, point
from strata_datamodel.metrics import Aggregate

_START = BASE // 10**6


class MetricErasureContract(MetricSubjects):
    @pytest.fixture
    def shared(self, metric_store, acme, umbrella):
        """web1 under both names of a host, in three measurements and with every type of value."""
        rows = (
            point(BASE, 1.0, host="web1"),
            point(BASE + SECOND, 2.0, host="web1", env="prod"),
            point(BASE, "text", host="web1", field="words"),
            point(BASE, True, host="web1", field="up"),
            point(BASE, 3.0, measurement="m 2", host_id="web1"),
            point(BASE, 10.0, host="web10"),
            point(BASE, 20.0, env="web1"),
            point(BASE, 30.0),
        )
        for organization in (acme, umbrella):
            metric_store.write(batch_of(organization, *rows))
        return metric_store

    def test_series_with_one_of_the_tags_are_deleted_and_no_others(self, shared, acme, umbrella):
        tags = [("host", "web1"), ("host_id", "web1"), ("host", "missing")]
        assert shared.count_matching(acme, tags) == 5
        shared.delete_matching(acme, tags)
        shared.delete_matching(acme, tags)
        assert (shared.count_matching(acme, tags), shared.count_points(acme)) == (0, 3)
        assert answered(shared, whole_range(acme, Aggregate.SUM, group_by=("host", "env"))) == {
            ("", ""): [(_START, 30.0)],
            ("", "web1"): [(_START, 20.0)],
            ("web10", ""): [(_START, 10.0)],
        }
        assert (shared.count_matching(umbrella, tags), shared.count_points(umbrella)) == (5, 8)

    def test_no_tags_are_nothing(self, shared, acme):
        shared.delete_matching(acme, [])
        assert (shared.count_matching(acme, []), shared.count_points(acme)) == (0, 8)

    def test_a_crafted_tag_reaches_nobody_elses_points(self, shared, acme, umbrella):
        for crafted in CRAFTED:
            for tag in ((crafted, "web1"), ("host", crafted), ("organization", str(umbrella))):
                shared.delete_matching(acme, [tag])
        assert (shared.count_points(acme), shared.count_points(umbrella)) == (8, 8)

    @pytest.mark.parametrize("name", ["a b", "a,b", "a=b", 'a"b', "a'b", "a\\b", "Größe", "time", "/x/", "$v0"])
    def test_a_tag_is_found_whatever_it_is_called(self, metric_store, acme, umbrella, name):
        rows = point(BASE, 1.0, **{name: name}), point(BASE, 2.0, **{name: "other"})
        for organization in (acme, umbrella):
            metric_store.write(batch_of(organization, *rows))
        metric_store.delete_matching(acme, [(name, name)])
        assert (metric_store.count_points(acme), metric_store.count_points(umbrella)) == (1, 2)

    def test_a_deleted_series_can_be_written_again(self, shared, acme):
        shared.delete_matching(acme, [("host", "web1")])
        shared.write(batch_of(acme, point(BASE, 7.0, host="web1"), point(BASE + 2 * SECOND, 8.0, host="web1")))
        assert shared.count_matching(acme, [("host", "web1")]) == 2
