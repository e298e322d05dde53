"""Expressions between queries are reckoned as anybody would on paper, and nothing that was sent makes them do else."""

import contextlib
import math

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from strata_core.metrics.arithmetic import Name, Operation, names_in, parsed
from strata_core.metrics.told import ToldSeries
from strata_core.metrics.vectors import reckoned, series_of, tags_of, vector_of
from strata_datamodel.errors import InvalidError, LimitError, StrataError
from strata_datamodel.limits import EXPRESSION_DEPTH, EXPRESSION_LENGTH, EXPRESSION_OPERATORS

FINITE = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))


def line(points, **tags):
    return ToldSeries(tags, tuple(points.items()))


def told(text, **known):
    vectors = {name: vector_of(series) for name, series in known.items()}
    return {tuple(each.tags.values()): dict(each.points) for each in series_of(reckoned(parsed(text), vectors))}


def written(draw_from):
    """Text, and what Python's own arithmetic says of it."""
    return st.recursive(
        draw_from,
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda part: f"{part[0]} {part[1]} {part[2]}"),
            inner.map(lambda text: f"({text})"),
            inner.map(lambda text: f"-{text}" if not text.startswith("-") else f"-({text})"),
        ),
        max_leaves=12,
    )


@given(
    written(st.sampled_from(["a", "b", "2", "0.5", "3e2"])),
    st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=5),
)
def test_an_expression_means_what_it_means_to_python(text, values):
    if not names_in(parsed(text)):
        return
    wanted = {}
    for start, (a, b) in enumerate(values):
        try:
            value = float(eval(text, {"__builtins__": {}}, {"a": a, "b": b}))  # of the letters above
        except ZeroDivisionError:
            continue
        if math.isfinite(value):
            wanted[start] = value
    known = {name: [line({start: pair[side] for start, pair in enumerate(values)})] for side, name in enumerate("ab")}
    try:
        found = told(text, **known).get((), {})
    except InvalidError:  # constants that divide by zero
        event("divides by zero")
        return
    # What was absent once is so in all that is made of it; Python goes on from infinity.
    assert all(wanted[start] == pytest.approx(value) for start, value in found.items())
    assert found.keys() <= wanted.keys()
    assert "/" in text or found.keys() == wanted.keys()


@given(st.text(alphabet="ab+-*/(). 1e2é\n", max_size=60) | st.text(max_size=30))
def test_any_text_is_an_expression_or_refused(text):
    with contextlib.suppress(StrataError):
        names_in(parsed(text))


@pytest.mark.parametrize(
    "text",
    [
        "(" * (EXPRESSION_DEPTH + 2) + "a" + ")" * (EXPRESSION_DEPTH + 2),
        "-" * (EXPRESSION_DEPTH + 2) + "a",
        "+".join("a" * (EXPRESSION_OPERATORS + 2)),
        "a" * (EXPRESSION_LENGTH + 1),
    ],
)
def test_an_expression_that_is_too_large_is_refused(text):
    with pytest.raises(LimitError) as refused:
        parsed(text)
    assert refused.value.code == "expression_size"


def test_operators_bind_as_in_arithmetic():
    assert parsed("a - b - c") == Operation("-", Operation("-", Name("a"), Name("b")), Name("c"))
    assert parsed("a + b * c") == Operation("+", Name("a"), Operation("*", Name("b"), Name("c")))


def test_series_meet_by_tags_and_one_without_tags_meets_all():
    each = [line({1: 10.0, 2: 20.0}, host="x"), line({1: 30.0}, host="y")]
    other = [line({1: 5.0, 3: 1.0}, host="x"), line({1: 1.0}, host="z")]
    assert told("a / b", a=each, b=other) == {("x",): {1: 2.0}}
    total = [line({1: 40.0, 2: 0.0})]
    assert told("a / b * 100", a=each, b=total) == {("x",): {1: 25.0}, ("y",): {1: 75.0}}
    assert told("b - a", a=each, b=total) == {("x",): {1: 30.0, 2: -20.0}, ("y",): {1: 10.0}}
    assert told("a / b", a=each, b=[]) == {}


def test_a_window_without_a_value_or_with_no_finite_result_is_absent():
    series = [line({1: 1e308, 2: None, 3: 4.0})]
    assert told("a * 10", a=series) == {(): {3: 40.0}}
    assert told("a / b", a=series, b=[line({1: 0.0, 2: 0.0, 3: 0.0})]) == {}


def test_series_that_could_never_meet_are_refused():
    tags = {"a": frozenset({"host"}), "b": frozenset({"region"}), "c": frozenset()}
    assert tags_of(parsed("a / c"), tags) == {"host"}
    for text in ("a / b", "a + missing"):
        with pytest.raises(InvalidError) as refused:
            tags_of(parsed(text), tags)
        assert refused.value.code == "bad_expression"


def test_texts_cannot_be_reckoned_with():
    with pytest.raises(InvalidError) as refused:
        told("a + 1", a=[line({1: "up"})])
    assert refused.value.code == "aggregate_needs_numbers"
