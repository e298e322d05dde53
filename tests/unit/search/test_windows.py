"""What is compared in windows is what both sides hold, and the index is never read after PostgreSQL."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from strata_core.search.rules import findings_in
from strata_core.search.windows import windows
from strata_datamodel.search import Held, Wanted

SETTLED = 1_000
ids = st.integers(0, 60).map(lambda number: UUID(int=number))
versions = st.integers(1, 3)
wanted_ones = st.dictionaries(ids, st.tuples(versions, st.sampled_from([1, 2_000])))
held_ones = st.dictionaries(ids, st.tuples(versions, st.booleans()))


def page_after(rows, page, after):
    return [row for row in rows if after is None or row.entity_id > after][:page]


@given(wanted_ones, held_ones, st.integers(1, 7))
def test_windows_find_what_a_look_at_all_finds(wanted, held, page):
    ours = [Wanted(one, *wanted[one]) for one in sorted(wanted)]
    theirs = [Held(one, held[one][0], 1, held[one][1]) for one in sorted(held)]
    in_windows = list(
        windows(lambda after: page_after(theirs, page, after), lambda after: page_after(ours, page, after), page)
    )
    assert [one for window, _ in in_windows for one in window] == ours
    assert [one for _, window in in_windows for one in window] == theirs
    assert all(len(mine) <= page and len(other) <= page for mine, other in in_windows)
    in_parts = [finding for window in in_windows for finding in findings_in(*window, SETTLED)]
    assert in_parts == list(findings_in(ours, theirs, SETTLED))


@given(wanted_ones, st.integers(1, 7))
def test_what_is_written_while_windows_are_compared_never_seems_ahead(rows, page):
    """Everything gets a later version between any two reads, and the index has it at once."""
    now = dict.fromkeys(rows, 1)

    def raised():
        for one in now:
            now[one] += 1

    def held_after(after):
        raised()
        return page_after([Held(one, now[one], now[one], False) for one in sorted(now)], page, after)

    def wanted_after(after):
        raised()
        return page_after([Wanted(one, now[one], now[one]) for one in sorted(now)], page, after)

    for ours, theirs in windows(held_after, wanted_after, page):
        by_id = {one.entity_id: one for one in theirs}
        assert all(by_id[one.entity_id].version < one.version for one in ours)
