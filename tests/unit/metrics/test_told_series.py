"""Windows without a point are filled as was asked, and only the best series are told."""

import pytest

from strata_core.metrics.told import FillMode, Range, Ranking, Reducer, filled, ranked
from strata_datamodel.errors import InvalidError, LimitError
from strata_datamodel.metrics import AnswerSeries

SECOND = 1_000_000_000
SIX = Range(10 * SECOND + 5, 15 * SECOND + 1, SECOND)
"""Windows at 10 to 15 s."""


def series(points, **tags):
    return AnswerSeries(tags, tuple((at * 1_000, value) for at, value in points.items()))


@pytest.mark.parametrize(
    ("fill", "wanted"),
    [
        (FillMode.NONE, {11: 1.0, 14: 4.0}),
        (FillMode.NULL, {10: None, 11: 1.0, 12: None, 13: None, 14: 4.0, 15: None}),
        (FillMode.PREVIOUS, {11: 1.0, 12: 1.0, 13: 1.0, 14: 4.0, 15: 4.0}),
        (FillMode.LINEAR, {11: 1.0, 12: 2.0, 13: 3.0, 14: 4.0}),
        (7.5, {10: 7.5, 11: 1.0, 12: 7.5, 13: 7.5, 14: 4.0, 15: 7.5}),
    ],
)
def test_each_fill(fill, wanted):
    (found,) = filled([series({11: 1.0, 14: 4.0})], fill, SIX)
    assert {at // 1_000: value for at, value in found.points} == wanted


def test_texts_are_filled_with_what_they_can_be():
    texts = [series({11: "up", 13: "down"})]
    (found,) = filled(texts, FillMode.PREVIOUS, SIX)
    assert [value for _, value in found.points] == ["up", "up", "down", "down", "down"]
    for fill in (FillMode.LINEAR, 0.0):
        with pytest.raises(InvalidError):
            filled(texts, fill, SIX)


def test_more_windows_than_an_answer_may_have_are_refused_before_they_are_made():
    with pytest.raises(LimitError) as refused:
        filled([series({1: 1.0})] * 1_000, 0.0, Range(0, 10_000 * SECOND, SECOND))
    assert refused.value.code == "query_points"


def test_the_best_come_first_by_what_they_are_compared_by():
    a, b, c = series({1: 9.0, 2: 1.0}, t="a"), series({1: 4.0, 2: 5.0}, t="b"), series({1: 6.0}, t="c")
    wanted = {Reducer.LAST: "cb", Reducer.MAX: "ac", Reducer.MIN: "cb", Reducer.SUM: "ab", Reducer.AVG: "ca"}
    for by, names in wanted.items():
        assert "".join(each.tags["t"] for each in ranked([a, b, c], Ranking(2, by, is_top=True))) == names
    assert [each.tags["t"] for each in ranked([a, b, c], Ranking(1, Reducer.SUM, is_top=False))] == ["c"]
    with pytest.raises(InvalidError):
        ranked([series({1: "up"})], Ranking(1, Reducer.MAX, is_top=True))
