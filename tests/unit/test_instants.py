import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.instants import duration_ns, instant_ns, rfc3339
from strata_datamodel.errors import InvalidError

NOW = 1_800_000_000_123_456_789
SECOND = 1_000_000_000


def at(value):
    return instant_ns(value, now_ns=NOW, where="/from")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("now", NOW),
        ("now-1h", NOW - 3600 * SECOND),
        ("now-1h30m", NOW - 5400 * SECOND),
        ("now+500ms", NOW + SECOND // 2),
        (1_700_000_000_000, 1_700_000_000 * SECOND),
        ("1700000000000", 1_700_000_000 * SECOND),
        ("-1", -1_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000 * SECOND),
        ("2023-11-14T23:13:20.5+01:00", 1_700_000_000 * SECOND + SECOND // 2),
        ("2023-11-14t22:13:20.123456789z", 1_700_000_000 * SECOND + 123_456_789),
        ("1969-12-31T23:59:59.999Z", -1_000_000),
    ],
)
def test_instants_are_read_to_the_nanosecond(value, expected):
    assert at(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "now-", "now-1", "now-1y", "now1h", "1e9", "9" * 17, "²", "١٢"),
        *("2023-11-14", "2023-11-14T22:13:20", "2023-13-01T00:00:00Z"),
        *("9999-12-31T00:00:00Z", "0001-01-01T00:00:00Z", "now-999999999w"),
    ],
)
def test_what_is_no_instant_is_refused_at_its_place(value):
    with pytest.raises(InvalidError) as refused:
        at(value)
    assert refused.value.problems[0].where == "/from"


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidError):
        assert isinstance(at(text), int)


@given(st.integers(-2_000_000_000 * SECOND, 7_000_000_000 * SECOND))
def test_what_is_written_reads_back(instant):
    assert at(rfc3339(instant)) == instant


def test_whole_milliseconds_are_written_with_three_digits():
    assert rfc3339(1_700_000_000 * SECOND) == "2023-11-14T22:13:20.000Z"
    assert rfc3339(1_700_000_000 * SECOND + 1) == "2023-11-14T22:13:20.000000001Z"


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h30m", 5400), ("1d", 86_400)])
def test_durations_are_read(text, seconds):
    assert duration_ns(text, where="/step") == seconds * SECOND


@pytest.mark.parametrize("text", ["", "0s", "-5s", "5", "5x", "1.5h", "s", "5 m", "999999999w999999999w"])
def test_what_is_no_duration_is_refused_at_its_place(text):
    with pytest.raises(InvalidError) as refused:
        duration_ns(text, where="/step")
    assert refused.value.problems[0].where == "/step"
