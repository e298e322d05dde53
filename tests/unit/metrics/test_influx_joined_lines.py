"""Lines that share their tags and time say what a line a point says, in the same order."""

from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factories.point_batches import batch_of, point
from strata_datamodel.ids import OrganizationId
from strata_stores.influx.joined_lines import joined_lines
from strata_stores.influx.lines import LineEncoder, encode

ACME = OrganizationId(UUID(int=1))
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = _FINITE | st.booleans() | st.sampled_from(["", "up", "a,b=c d", 'say "it"', "back\\", "ö"])
_POINTS = st.lists(
    st.builds(
        lambda at, value, field, host: point(at, value, field=field, host=host),
        st.sampled_from([0, 1, -1, 1_763_640_000_123_456_789]),
        _VALUES,
        st.sampled_from(["usage", "idle", "a b"]),
        st.sampled_from(["a", "b c"]),
    ),
    min_size=1,
    max_size=30,
)


def _series(batch):
    return LineEncoder().series_lines(ACME, batch.series)


def _apart(line, heads):
    """(head, field, value, time) of each field of a line, by what stands between the heads and fields there are."""
    head = next(each for each in heads if line.startswith(each.head))
    fields, time = line[len(head.head) :].rsplit(b" ", 1)
    starts = sorted(
        (at, each.field)
        for each in heads
        for at in range(len(fields))
        if fields.startswith(each.field, at) and (at == 0 or fields[at - 1 : at] == b",")
    )
    starts = list(dict.fromkeys(starts))
    ends = [at - 1 for at, _ in starts[1:]] + [len(fields)]
    return [
        (head.head, field, fields[at + len(field) : end], time) for (at, field), end in zip(starts, ends, strict=True)
    ]


@given(_POINTS)
def test_joined_lines_hold_the_same_fields_in_the_same_order(points):
    batch = batch_of(ACME, *points)
    series, rows = _series(batch), np.arange(len(batch))
    joined = [part for line in joined_lines(batch, series, rows).split(b"\n") for part in _apart(line, series)]
    alone = [_apart(line, series)[0] for line in encode(batch, series, rows).texts]
    as_values = [[*map(_value, each)] for each in (joined, alone)]
    assert as_values[0] == as_values[1]


@given(_POINTS)
def test_no_line_holds_a_field_twice(points):
    batch = batch_of(ACME, *points)
    series = _series(batch)
    for line in joined_lines(batch, series, np.arange(len(batch))).split(b"\n"):
        fields = [field for _, field, _, _ in _apart(line, series)]
        assert len(set(fields)) == len(fields)


def test_fields_of_one_line_come_as_one_line_again():
    batch = batch_of(ACME, *(point(at, 1.5, field=field, host="a") for at in (1, 2) for field in ("x", "y", "z")))
    lines = joined_lines(batch, _series(batch), np.arange(6)).split(b"\n")
    tags = b"cpu,organization=00000000-0000-0000-0000-000000000001,t_host=a"
    assert lines == [tags + b" n_x=1.5,n_y=1.5,n_z=1.5 %d" % at for at in (1, 2)]


def _value(part):
    head, field, value, time = part
    return (head, field, float(value) if field.startswith(b"n_") else value, time)
