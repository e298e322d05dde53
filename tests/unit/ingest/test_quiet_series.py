"""Series that are not looked at again for a while."""

from uuid import UUID

from fakes.manual_clock import ManualClock
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_ingest.quiet_series import QUIET_S, QuietSeries

ACME, GLOBEX = (OrganizationId(UUID(int=number)) for number in (1, 2))


def keys(numbers):
    return tuple(SeriesKey("m", (("host", str(number)),), "v", FieldClass.NUMBER) for number in numbers)


def test_those_that_were_read_are_quiet_until_their_time_is_over_and_only_for_their_organization():
    clock = ManualClock()
    quiet = QuietSeries(clock)
    sent = keys(range(5))
    assert quiet.others(ACME, sent) == sent
    quiet.add(ACME, sent[:3])
    assert list(quiet.others(ACME, sent)) == list(sent[3:])
    clock.advance(QUIET_S / 2)
    quiet.add(ACME, sent[3:])
    assert list(quiet.others(ACME, sent)) == []
    assert quiet.others(GLOBEX, sent) == sent
    clock.advance(QUIET_S / 2)
    assert quiet.others(ACME, sent) == sent, "what was added later ends with the others, never after its time"


def test_what_is_forgotten_is_read_again():
    quiet = QuietSeries(ManualClock())
    sent = keys(range(3))
    quiet.add(ACME, sent)
    quiet.add(GLOBEX, sent)
    quiet.forget(ACME)
    assert quiet.others(ACME, sent) == sent
    assert list(quiet.others(GLOBEX, sent)) == []


def test_objects_that_never_come_again_do_not_pile_up():
    quiet = QuietSeries(ManualClock(), limit=100)
    for start in range(0, 1_000, 20):
        sent = keys(range(start, start + 20))
        quiet.add(ACME, sent)
        assert len(quiet) <= 100
    quiet.add(GLOBEX, sent := keys(range(7)))
    assert list(quiet.others(GLOBEX, sent)) == []
