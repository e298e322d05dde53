"""What people type becomes the filter they mean, and mistakes are told where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.logs.query_language import parse_query
from strata_core.logs.words import words_of
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import LOG_QUERY_CLAUSES, LOG_QUERY_DEPTH, LOG_QUERY_LENGTH
from strata_datamodel.logs import And, FieldIs, LogLevel, MatchAll, Not, Or, Text
from unit.logs.query_printer import printed

A, B, C, D = (Text(word) for word in "abcd")


@pytest.mark.parametrize(
    ("query", "meant"),
    [
        ("", MatchAll()),
        (" \t\n", MatchAll()),
        ("*", MatchAll()),
        ("a", A),
        ("a b", And((A, B))),
        ("a AND b", And((A, B))),
        ("a OR b", Or((A, B))),
        ("a b OR c d", Or((And((A, B)), And((C, D))))),
        ("a OR b c", Or((A, And((B, C))))),
        ("(a OR b) c", And((Or((A, B)), C))),
        ("((a))", A),
        ("NOT a b", And((Not(A), B))),
        ("-a b", And((Not(A), B))),
        ("a -b", And((A, Not(B)))),
        ("NOT (a b)", Not(And((A, B)))),
        ("NOT NOT a", Not(Not(A))),
        ("a NOT b OR c", Or((And((A, Not(B))), C))),
        ("a(b)c", And((A, B, C))),
        ('"a b"', Text("a b", phrase=True)),
        ('"a"', Text("a", phrase=True)),
        ('"say \\"a\\" \\\\"', Text('say "a" \\', phrase=True)),
        ('"a"b', And((Text("a", phrase=True), B))),
        ("10.0.0.7", Text("10.0.0.7", phrase=True)),
        ("a-b", Text("a-b", phrase=True)),
        ("\\-a", Text("-a")),
        ("ANDROID", Text("ANDROID")),
        ("and", Text("and")),
        ("\\AND", Text("AND")),
        ("a\\:b", Text("a:b", phrase=True)),
        ("level:error", FieldIs("level", "error")),
        ("level:ERROR", FieldIs("level", "error")),
        ("level:Warning", FieldIs("level", "warn")),
        ("level:e*", FieldIs("level", "e", prefix=True)),
        ("host:web-1", FieldIs("host_id", "web-1")),
        ("host_id:web-1", FieldIs("host_id", "web-1")),
        ("service:x", FieldIs("service_id", "x")),
        ("stream:stderr", FieldIs("stream", "stderr")),
        ("tags.env:prod", FieldIs("tags.env", "prod")),
        ("metadata.a.b:1", FieldIs("metadata.a.b", "1")),
        ('tags.env:"blue green"', FieldIs("tags.env", "blue green")),
        ('tags.env:""', FieldIs("tags.env", "")),
        ("tags.env:*", FieldIs("tags.env", "", prefix=True)),
        ("tags.env:eu-*", FieldIs("tags.env", "eu-", prefix=True)),
        ('tags.env:"eu "*', FieldIs("tags.env", "eu ", prefix=True)),
        ("tags.env:eu\\*", FieldIs("tags.env", "eu*")),
        ('tags.env:"eu*"', FieldIs("tags.env", "eu*")),
        ("tags.at:12:30:00", FieldIs("tags.at", "12:30:00")),
        ('"tags.two words":x', FieldIs("tags.two words", "x")),
        ("tags.two\\ words:x", FieldIs("tags.two words", "x")),
        ("-tags.env:prod", Not(FieldIs("tags.env", "prod"))),
        ("message:a", A),
        ("message:10.0.0.7", Text("10.0.0.7", phrase=True)),
        ('message:"a b"', Text("a b", phrase=True)),
        ("message:*", MatchAll()),
        ("organization_id\\:x", Text("organization_id:x", phrase=True)),
    ],
)
def test_a_query_means_its_filter(query, meant):
    assert parse_query(query) == meant


@pytest.mark.parametrize(
    ("query", "position", "says"),
    [
        ("a (b", 3, "not closed"),
        ("a b)", 4, "closes nothing"),
        (")", 1, "expected"),
        ("()", 2, "expected"),
        ('a "b', 3, "quote is not closed"),
        ("a AND", 6, "expected"),
        ("OR a", 1, "before OR"),
        ("a OR OR b", 6, "before OR"),
        ("AND", 1, "before AND"),
        ("NOT", 4, "expected"),
        ("a ...", 3, "no letters"),
        ('"--"', 1, "no letters"),
        ("a*", 2, "star"),
        ("(a) b*", 6, "star"),
        ("a host:b*c", 9, "star"),
        ("host:a*b", 7, "star"),
        ("host:*a*", 6, "star"),
        ("message:a*", 9, "beginning of a word"),
        ("host:", 6, "value"),
        ("host: a", 6, "value"),
        ("colour:red", 1, "no field 'colour'"),
        ("organization_id:x", 1, "no field"),
        ("tags.:x", 1, "no field"),
        ("tags:x", 1, "no field"),
        ("level:loud", 7, "not a level"),
        ("a \\", 3, "backslash"),
        ("a \ud800", 3, "half of a character"),
    ],
)
def test_a_mistake_is_told_with_its_place(query, position, says):
    with pytest.raises(InvalidError) as caught:
        parse_query(query)
    assert caught.value.code == "bad_query"
    [problem] = caught.value.problems
    assert problem.where == "/query"
    assert problem.detail.startswith(f"character {position}: ")
    assert says in problem.detail


@pytest.mark.parametrize(
    "query",
    [
        "a" * (LOG_QUERY_LENGTH + 1),
        "a " * (LOG_QUERY_CLAUSES + 1),
        "(" * (LOG_QUERY_DEPTH + 1) + "a" + ")" * (LOG_QUERY_DEPTH + 1),
        "-" * 4_000 + "a",
        "NOT " * 1_000 + "a",
        "(" * 4_096,
    ],
)
def test_a_query_past_a_limit_is_refused(query):
    with pytest.raises(InvalidError) as caught:
        parse_query(query)
    assert "LOG_QUERY_" in caught.value.detail


def test_a_query_at_its_limits_is_taken():
    assert len(parse_query("a " * LOG_QUERY_CLAUSES).parts) == LOG_QUERY_CLAUSES
    assert parse_query("(" * LOG_QUERY_DEPTH + "a" + ")" * LOG_QUERY_DEPTH) == A
    assert parse_query("a" * LOG_QUERY_LENGTH) == Text("a" * LOG_QUERY_LENGTH)


@given(st.text(alphabet=st.sampled_from('ab ():"\\*-ANDORT.level:hostags\t\ud800é')) | st.text())
def test_any_text_is_parsed_or_refused_with_a_place_inside_it(text):
    try:
        parse_query(text)
    except InvalidError as refused:
        place = int(refused.problems[0].detail.removeprefix("character ").split(":")[0])
        assert 1 <= place <= len(text) + 1


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
names = st.sampled_from(["host_id", "service_id", "stream"]) | st.builds("tags.{}".format, texts)
clauses = (
    st.just(MatchAll())
    | st.builds(Text, texts.filter(lambda text: len(words_of(text)) == 1))
    | st.builds(Text, texts.filter(words_of), phrase=st.just(True))
    | st.builds(FieldIs, names, st.text(st.characters(exclude_categories=["Cs"]), max_size=8), prefix=st.booleans())
    | st.builds(FieldIs, st.just("level"), st.sampled_from([level.value for level in LogLevel]))
)
two_or_more = {"min_size": 2, "max_size": 3}
filters = st.recursive(
    clauses,
    lambda inner: (
        st.builds(And, st.lists(inner, **two_or_more).map(tuple))
        | st.builds(Or, st.lists(inner, **two_or_more).map(tuple))
        | st.builds(Not, inner)
    ),
    max_leaves=12,
)


@given(filters)
def test_a_printed_filter_is_parsed_back(where):
    assert parse_query(printed(where)) == where
