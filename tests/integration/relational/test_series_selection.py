"""Series found by their names and tags, as their patterns say."""

import re
from collections.abc import Sequence

import pytest

from fixtures.relational import TwoOrganizations
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_core.series.commands import register
from strata_core.series.selecting import series_selected
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, FilterOp, SeriesKey, TagFilter
from strata_datamodel.tables.series import metric_series

MEASUREMENTS = ("cpu", "Cpu", "disk io")
HOSTS = ("", "a", "web-1", "web-10", 'q"uote', "ünï")
FILTERS = [
    (),
    (TagFilter("host", FilterOp.EQ, ("web-1",)),),
    (TagFilter("host", FilterOp.EQ, ("",)),),
    (TagFilter("host", FilterOp.EQ, ('q"uote',)),),
    (TagFilter("host", FilterOp.NE, ("a",)),),
    (TagFilter("host", FilterOp.NE, ("",)),),
    (TagFilter("host", FilterOp.IN, ("", "ünï")),),
    (TagFilter("host", FilterOp.IN, ()),),
    (TagFilter("host", FilterOp.MATCH, ("^web-1$",)),),
    (TagFilter("host", FilterOp.MATCH, ("^$",)),),
    (TagFilter("host", FilterOp.NO_MATCH, ("web",)), TagFilter("zone", FilterOp.EQ, ("",))),
    (TagFilter("host", FilterOp.MATCH, ("1",)), TagFilter("host", FilterOp.NE, ("web-1",))),
    (TagFilter("nowhere", FilterOp.NE, ("x",)),),
    (TagFilter("nowhere", FilterOp.MATCH, (".+",)),),
]


def key(measurement: str, host: str, zone: str = "") -> SeriesKey:
    tags = tuple((name, value) for name, value in (("host", host), ("zone", zone)) if value)
    return SeriesKey(measurement, tags, "usage", FieldClass.NUMBER)


KEYS = [key(measurement, host) for measurement in MEASUREMENTS for host in HOSTS] + [key("cpu", "a", "eu")]


@pytest.fixture
def organization_id(units: UnitsOfWork, two_organizations: TwoOrganizations) -> OrganizationId:
    with units.organization(two_organizations.first) as uow:
        register(uow, KEYS)
    with units.organization(two_organizations.second) as uow:
        register(uow, [*KEYS, key("cpu", "theirs")])
    return two_organizations.first


def expected(filters: Sequence[TagFilter]) -> list[SeriesKey]:
    def passes(one: SeriesKey, tag_filter: TagFilter) -> bool:
        value = dict(one.tags).get(tag_filter.tag, "")
        if tag_filter.op in (FilterOp.MATCH, FilterOp.NO_MATCH):
            return (re.search(tag_filter.values[0], value) is not None) is (tag_filter.op is FilterOp.MATCH)
        return (value in tag_filter.values) is (tag_filter.op is not FilterOp.NE)

    found = [one for one in KEYS if one.measurement == "cpu" and all(passes(one, each) for each in filters)]
    return sorted(found, key=lambda one: one.tags)


def test_filters_find_what_they_say_and_nobody_elses(units, organization_id):
    with units.organization(organization_id) as uow:
        for filters in FILTERS:
            found = series_selected(uow, [metric_series.c.measurement == "cpu"], filters, limit=100)
            assert found == expected(filters), filters


def test_more_series_than_may_come_into_question_are_refused(units, organization_id):
    with units.organization(organization_id) as uow:
        assert len(series_selected(uow, [], (), limit=len(KEYS))) == len(KEYS)
        with pytest.raises(LimitError) as refused:
            series_selected(uow, [], (), limit=len(KEYS) - 1)
    assert refused.value.code == "query_series"


def test_a_pattern_that_is_none_is_told(units, organization_id):
    with units.organization(organization_id) as uow, pytest.raises(InvalidError) as refused:
        series_selected(uow, [], [TagFilter("host", FilterOp.MATCH, ("(",))], limit=100)
    assert refused.value.code == "bad_regex"
