"""What is PromQL, what it means, and where it stops being PromQL."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factories.promql_text import written
from strata_core.promql.checking import checked
from strata_core.promql.errors import PromqlParseError, PromqlUnsupportedError
from strata_core.promql.lexer import duration_ms, tokens_of
from strata_core.promql.parser import parsed
from strata_core.promql.syntax import (
    AGGREGATIONS,
    ARITHMETIC,
    COMPARISONS,
    SET_OPS,
    Aggregation,
    Anchor,
    Binary,
    Call,
    Cardinality,
    Matcher,
    Matching,
    MatchOp,
    Moment,
    Number,
    Parentheses,
    RangeSelector,
    Selector,
    Signed,
    Subquery,
    Text,
    ValueType,
)
from strata_datamodel.errors import LimitError, StrataError

NAMED = Matcher("__name__", MatchOp.EQUAL, "up")
UP = Selector((NAMED,), name="up")


def plain(name: str) -> Selector:
    return Selector((Matcher("__name__", MatchOp.EQUAL, name),), name=name)


def set_op(op: str, left, right) -> Binary:
    return Binary(op, left, right, matching=Matching(cardinality=Cardinality.MANY_TO_MANY))


ONE, TWO, THREE = Number(1), Number(2), Number(3)


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("up", UP),
        ('up{job="a",}', Selector((Matcher("job", MatchOp.EQUAL, "a"), NAMED), name="up")),
        ("up offset 5m", Selector((NAMED,), Moment(300_000), "up")),
        ("up @ 1.5 offset -1h30m", Selector((NAMED,), Moment(-5_400_000, 1_500), "up")),
        ("up[5m] @ start()", RangeSelector(Selector((NAMED,), Moment(0, Anchor.START), "up"), 300_000)),
        ("up[5m:]", Subquery(UP, 300_000)),
        ("up[5m:1s] offset 1m", Subquery(UP, 300_000, 1_000, Moment(60_000))),
        ("1 + 2 * 3", Binary("+", ONE, Binary("*", TWO, THREE))),
        ("1 - 2 - 3", Binary("-", Binary("-", ONE, TWO), THREE)),
        ("1 ^ 2 ^ 3", Binary("^", ONE, Binary("^", TWO, THREE))),
        ("-1 ^ 2", Signed("-", Binary("^", ONE, TWO))),
        ("-up * 2", Binary("*", Signed("-", UP), TWO)),
        ("up OR up AND up", set_op("or", UP, set_op("and", UP, UP))),
        ("up > bool 2", Binary(">", UP, TWO, is_bool=True)),
        (
            "up / on(a) group_left(b) up",
            Binary("/", UP, UP, matching=Matching(("a",), True, Cardinality.MANY_TO_ONE, ("b",))),
        ),
        ("sum by (a) (up)", Aggregation("sum", UP, labels=("a",))),
        ("SUM(up) WITHOUT (a, b,)", Aggregation("sum", UP, labels=("a", "b"), is_without=True)),
        ("topk(2, up)", Aggregation("topk", UP, TWO)),
        ("sum + by", Binary("+", plain("sum"), plain("by"))),
        ("(1)", Parentheses(ONE)),
        ("hour()", Call("hour")),
        (r'"\x61\142\u00e9\U0001F600\n\""', Text('abé😀\n"')),
        (r"`\n`", Text("\\n")),
        ("0x1f", Number(31)),
        ("017", Number(15)),
        (".5e1", Number(5)),
        ("# all of it\n1", ONE),
    ],
)  # fmt: skip
def test_a_query_is_read_as_prometheus_reads_it(query, meant):
    assert parsed(query) == meant


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("1 +", "1:4"),
        ("up{job='a'", "1:11"),
        ("up{\n  job=}", "2:7"),
        ("rate(up)", "1:6"),
        ('up{a="b', "1:6"),
        ("sum(up", "1:7"),
        ("up[5m", "1:6"),
        ("\n\n  ?", "3:3"),
        ("nothing(up)", "1:1"),
    ],
)
def test_an_error_says_line_and_column(query, place):
    with pytest.raises(PromqlParseError, match=f"^{place}: parse error: "):
        checked(query, parsed(query))


def test_what_prometheus_has_and_we_have_not_is_named():
    with pytest.raises(PromqlUnsupportedError, match="holt_winters is not supported"):
        parsed("holt_winters(up[5m], 0.5, 0.5)")


@pytest.mark.parametrize("query", ["(" * 5_000 + "1", "-" * 5_000 + "1", "1" + "^1" * 5_000, "up" * 10_000])
def test_depth_and_length_are_bounded(query):
    with pytest.raises(LimitError, match="more than"):
        parsed(query)


@pytest.mark.parametrize(
    ("text", "length"),
    [("1h30m", 5_400_000), ("1y1w1d1ms", 31_536_000_000 + 691_200_000 + 1), ("1m1h", None), ("1m1m", None), ("", None)],
)
def test_durations_go_from_the_longest_unit_to_the_shortest(text, length):
    assert duration_ms(text) == length


names = st.text(string.ascii_lowercase + "_", min_size=1, max_size=5).filter(
    lambda name: name not in {*AGGREGATIONS, *SET_OPS, "atan2", "on", "bool", "by", "inf", "nan", "offset"}
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
spans = st.integers(1, 10**9)
moments = st.builds(
    Moment, st.integers(-(10**9), 10**9), st.none() | st.sampled_from(Anchor) | st.integers(-(10**12), 10**12)
)
matchers = st.builds(Matcher, names, st.sampled_from([MatchOp.EQUAL, MatchOp.NOT_EQUAL]), texts)


@st.composite
def selectors(draw, moment=moments):
    name = draw(names)
    inner = draw(st.lists(matchers.filter(lambda each: each.label != "__name__"), max_size=3))
    return Selector((*inner, Matcher("__name__", MatchOp.EQUAL, name)), draw(moment), name)


@st.composite
def matchings(draw, op):
    if op in SET_OPS:
        cardinality = Cardinality.MANY_TO_MANY
    else:
        cardinality = draw(st.sampled_from([each for each in Cardinality if each is not Cardinality.MANY_TO_MANY]))
    labels, is_on = tuple(draw(st.lists(names, max_size=2))), draw(st.booleans())
    has_group = cardinality in {Cardinality.MANY_TO_ONE, Cardinality.ONE_TO_MANY}
    others = names.filter(lambda name: name not in labels)
    return Matching(labels, is_on, cardinality, tuple(draw(st.lists(others, max_size=2))) if has_group else ())


def operands(inner):
    return st.builds(Parentheses, inner) | selectors() | st.builds(Number, st.floats(0, allow_nan=False))


@st.composite
def binaries(draw, inner):
    op = draw(st.sampled_from(sorted(ARITHMETIC | COMPARISONS | SET_OPS)))
    is_bool = op in COMPARISONS and draw(st.booleans())
    return Binary(op, draw(operands(inner)), draw(operands(inner)), is_bool, draw(matchings(op)))


def larger(inner):
    labels = st.lists(names, max_size=2).map(tuple)
    plain = [op for op, parameter in AGGREGATIONS.items() if parameter is None]
    return (
        binaries(inner)
        | st.builds(Signed, st.sampled_from("+-"), st.builds(Parentheses, inner))
        | st.builds(Subquery, st.builds(Parentheses, inner), spans, st.none() | spans, moments)
        | st.builds(Aggregation, st.sampled_from(plain), inner, st.none(), labels, st.booleans())
        | st.builds(Call, st.sampled_from(["abs", "label_join", "rate"]), st.lists(inner, max_size=3).map(tuple))
    )


expressions = st.recursive(
    selectors()
    | st.builds(RangeSelector, selectors(), spans)
    | st.builds(Text, texts)
    | st.builds(Number, st.floats(allow_nan=False)),
    larger,
    max_leaves=8,
)


@given(expressions)
def test_what_is_written_is_read_again(expression):
    assert parsed(written(expression)) == expression


@given(st.text(max_size=40) | st.text("ab{}[]()=~!\"'`\\,:@<>+-*/^% 015mxe.#\n", max_size=30))
def test_any_text_is_a_query_or_an_error_that_is_told(query):
    try:
        tokens_of(query)
        found = checked(query, parsed(query))
    except StrataError:
        return
    assert found in ValueType
