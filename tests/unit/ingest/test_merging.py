import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import line_envelope
from strata_datamodel.metrics import FieldClass, Rejection
from strata_ingest.merging import merged_points
from strata_wire.line_protocol import parse_lines
from strata_wire.line_writing import lines_of

_word = st.text(alphabet="ab, =\"'é", min_size=1, max_size=3)
_value = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text(alphabet='a"\\\n,= é', max_size=5)
_point = st.tuples(_word, st.dictionaries(_word, _word, max_size=2), _word, _value, st.integers(0, 10**12))
_bodies = st.lists(st.lists(_point, min_size=1, max_size=5), min_size=1, max_size=4)


def escaped(text, special):
    return "".join(f"\\{character}" if character in special else character for character in text)


def batch_of(points):
    lines = []
    for measurement, tags, field, value, age in points:
        shown = (
            ("t" if value else "f")
            if isinstance(value, bool)
            else repr(value)
            if isinstance(value, float)
            else '"' + escaped(value, '"\\') + '"'
        )
        key = escaped(f"m{measurement}", ", ") + "".join(
            f",{escaped('k' + k, ',= ')}={escaped('v' + v, ',= ')}" for k, v in tags.items()
        )
        lines.append(f"{key} {escaped('f' + field, ',= ')}={shown} {line_envelope().received_at_ns - age}")
    parsed = parse_lines("\n".join(lines).encode(), line_envelope())
    assert parsed.rejected == ()
    return parsed.batch


def rows(batch):
    for index, at, value in zip(batch.series_index, batch.time_ns, batch.values, strict=True):
        key = batch.series[index]
        yield key, int(at), batch.texts[int(value)] if key.field_class is FieldClass.STRING else float(value)


@given(_bodies)
def test_a_merged_batch_has_every_row_in_order(bodies):
    batches = [batch_of(points) for points in bodies]
    merged, _ = merged_points(batches, None)
    assert list(rows(merged)) == [row for batch in batches for row in rows(batch)]
    assert len(set(merged.series)) == len(merged.series)


@given(_bodies, st.data())
def test_a_refused_row_is_found_again_in_its_own_batch(bodies, data):
    batches = [batch_of(points) for points in bodies]
    merged, places = merged_points(batches, None)
    refused = data.draw(st.lists(st.integers(0, len(merged) - 1), unique=True))
    split = places.rejections([Rejection(row, "no") for row in refused])
    found = [list(rows(batches[place]))[each.index] for place, some in split.items() for each in some]
    assert sorted(map(repr, found)) == sorted(repr(list(rows(merged))[row]) for row in refused)


@given(_bodies)
def test_written_lines_read_back_as_the_same_points(bodies):
    for points in bodies:
        batch = batch_of(points)
        again = parse_lines(b"".join(lines_of(batch, range(len(batch)))), line_envelope())
        assert again.rejected == ()
        assert list(rows(again.batch)) == list(rows(batch))


def test_series_of_both_batches_are_one():
    batches = [batch_of([("a", {}, "x", 1.0, 5)]), batch_of([("a", {}, "x", 2.0, 4)])]
    merged, _ = merged_points(batches, None)
    assert len(merged.series) == 1
    assert np.array_equal(merged.series_index, [0, 0])
