"""What must hold for every body: what an encoder wrote comes back, and nothing else ever breaks the parser."""

import math
import time

from hypothesis import given
from hypothesis import strategies as st

from factories.wire_envelopes import RECEIVED_NS, line_envelope
from strata_datamodel.errors import TooLargeError
from strata_datamodel.metrics import FieldClass
from strata_wire.line_protocol import parse_lines

# A backslash before a special character is not expressible in this format, so names hold none.
_name = st.text(st.characters(codec="utf-8", exclude_characters="\0\n\\"), min_size=1, max_size=12).filter(
    lambda text: text != "time" and text.strip(" \t\r") == text
)
_measurement = _name.filter(lambda text: not text.startswith("#"))
_text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
_number = st.floats(allow_nan=False, allow_infinity=False)
_value = st.one_of(
    _number, st.booleans(), _text, st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**64 - 1).map(lambda n: (n, "u"))
)
_line = st.tuples(
    _measurement,
    st.dictionaries(_name, _name, max_size=4),
    st.dictionaries(_name, _value, min_size=1, max_size=4),
    st.one_of(st.none(), st.integers(RECEIVED_NS - 10**14, RECEIVED_NS + 10**11)),
)


def _escaped(text, special):
    return "".join(f"\\{character}" if character in special else character for character in text)


def _encoded_value(value):
    match value:
        case bool():
            return "true" if value else "false"
        case tuple():
            return f"{value[0]}u"
        case int():
            return f"{value}i"
        case float():
            return repr(value)
        case _:
            return '"' + _escaped(value, '"\\') + '"'


def _encoded(line):
    measurement, tags, fields, at = line
    key = _escaped(measurement, ", ") + "".join(f",{_escaped(k, ',= ')}={_escaped(v, ',= ')}" for k, v in tags.items())
    section = ",".join(f"{_escaped(name, ',= ')}={_encoded_value(value)}" for name, value in fields.items())
    return f"{key} {section}" + (f" {at}" if at is not None else "")


def _expected(line):
    measurement, tags, fields, at = line
    for name, value in fields.items():
        plain = value[0] if isinstance(value, tuple) else value
        stored = plain if isinstance(plain, str) else float(plain)
        yield measurement, tuple(sorted(tags.items())), name, at if at is not None else RECEIVED_NS, stored


def _rows(batch):
    for index, at, value in zip(batch.series_index, batch.time_ns, batch.values, strict=True):
        series = batch.series[index]
        stored = batch.texts[int(value)] if series.field_class is FieldClass.STRING else float(value)
        yield series.measurement, series.tags, series.field, int(at), stored


@given(st.lists(_line, max_size=6))
def test_what_was_encoded_comes_back(lines):
    parsed = parse_lines("\n".join(map(_encoded, lines)).encode(), line_envelope())
    assert parsed.rejected == ()
    assert parsed.accepted == len(lines)
    assert list(_rows(parsed.batch)) == [row for line in lines for row in _expected(line)]


def _check_accounting(body):
    parsed = parse_lines(body, line_envelope())
    batch = parsed.batch
    assert len(batch.series_index) == len(batch.time_ns) == len(batch.values)
    assert all(0 <= index < len(batch.series) for index in batch.series_index)
    assert set(batch.series_index.tolist()) == set(range(len(batch.series)))
    assert all(math.isfinite(value) for value in batch.values)
    assert parsed.rejections >= len(parsed.rejected)
    if b'"' not in body:
        candidates = [line.strip(b" \t\r") for line in body.split(b"\n")]
        assert parsed.accepted + parsed.rejections == sum(1 for line in candidates if line and line[:1] != b"#")
    assert parsed.accepted <= len(batch) or parsed.accepted == 0
    return parsed


@given(st.binary(max_size=300))
def test_arbitrary_bytes_never_break_it_and_every_line_is_accounted_for(body):
    _check_accounting(body)


@given(st.text(alphabet='ab,= \\"\n\t\r#019.-eiut\0\xff', max_size=120))
def test_bytes_of_the_grammar_in_any_order_never_break_it(text):
    _check_accounting(text.encode("latin-1"))


@given(st.lists(st.one_of(_line.map(_encoded), st.text(alphabet='m=,"\\ 1', max_size=12)), max_size=8))
def test_a_replay_of_the_same_body_gives_the_same_bytes(lines):
    body = "\n".join(lines).encode()
    first, second = (parse_lines(body, line_envelope()) for _ in range(2))
    assert first.batch.series == second.batch.series
    assert first.batch.texts == second.batch.texts
    for column in ("series_index", "time_ns", "values"):
        assert getattr(first.batch, column).tobytes() == getattr(second.batch, column).tobytes()
    assert first.rejected == second.rejected


@given(st.lists(_line.map(_encoded), min_size=1, max_size=5), st.data())
def test_a_bad_line_anywhere_costs_only_itself(lines, data):
    place = data.draw(st.integers(0, len(lines)))
    broken = [*lines[:place], "broken line,without=fields", *lines[place:]]
    parsed = parse_lines("\n".join(broken).encode(), line_envelope())
    assert parsed.accepted == len(lines)
    assert [line.number for line in parsed.rejected] == [1 + sum(line.count("\n") + 1 for line in lines[:place])]


def test_hostile_bodies_take_linear_time():
    """Each of these took minutes under a backtracking or rescanning grammar."""
    size = 2_000_000
    hostile = (
        b'm v="' + b"\\" * size,
        b'm v="' + b'\\"' * (size // 2),
        b'm v="x\n' * 90_000,
        b"m," + b"\\ " * (size // 2),
        b"m " + b"\\=" * (size // 2),
        b"m v=" + b"1" * size,
        b"m " + b'a="b",' * (size // 6),
        b"\\" * size,
    )
    started = time.monotonic()
    for body in hostile:
        try:
            parse_lines(body, line_envelope())
        except TooLargeError:
            continue
    assert time.monotonic() - started < 20
