from datetime import UTC, datetime
from uuid import UUID

from fakes.manual_clock import ManualClock
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_ingest.sightings import SightingThrottle, sightings_in_series

ACME, GLOBEX = (OrganizationId(UUID(int=number)) for number in (1, 2))
AT = datetime(2026, 3, 1, tzinfo=UTC)


def seen(*tag_sets):
    series = [SeriesKey("m", tuple(sorted(tags.items())), "f", FieldClass.NUMBER) for tags in tag_sets]
    return list(sightings_in_series(series, AT))


def test_what_was_told_is_due_again_after_thirty_seconds_as_a_touch():
    clock = ManualClock()
    throttle = SightingThrottle(clock)
    due = throttle.due(ACME, seen({"host": "a"}))
    assert [sighting.host_name for sighting in due.new] == ["a"]
    throttle.told(ACME, due.new)
    clock.advance(29)
    assert throttle.due(ACME, seen({"host": "a"})) == type(due)((), ())
    clock.advance(1)
    again = throttle.due(ACME, seen({"host": "a"}))
    assert (len(again.new), len(again.touches)) == (0, 1)


def test_what_could_not_be_told_stays_due():
    throttle = SightingThrottle(ManualClock())
    for _ in range(2):
        assert len(throttle.due(ACME, seen({"host": "a"})).new) == 1


def test_organizations_are_told_apart():
    throttle = SightingThrottle(ManualClock())
    throttle.told(ACME, seen({"host": "a"}))
    assert len(throttle.due(GLOBEX, seen({"host": "a"})).new) == 1


def test_series_of_one_host_are_one_sighting_with_all_that_they_say():
    due = SightingThrottle(ManualClock()).due(
        ACME, seen({"host": "a", "region": "eu"}, {"host": "a", "datacenter": "x"}, {"host": "a", "cpu": "0"})
    )
    (sighting,) = due.new
    assert (sighting.host_name, sighting.region, sighting.datacenter) == ("a", "eu", "x")


def test_a_service_has_several_names_and_may_have_no_host():
    found = seen({"service": "s"}, {"service_id": "t", "host_id": "h"}, {"application_name": "u"}, {"x": "y"})
    assert {(sighting.host_name, sighting.service_name) for sighting in found} == {(None, "s"), ("h", "t"), (None, "u")}


def test_the_memory_is_bounded():
    throttle = SightingThrottle(ManualClock(), limit=2)
    for name in ("a", "b", "c"):
        throttle.told(ACME, seen({"host": name}))
    assert len(throttle.due(ACME, seen({"host": "a"}, {"host": "b"}, {"host": "c"})).new) == 1
