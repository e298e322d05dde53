"""InfluxQL read: every token, every construct, and text that somebody made up to get out of theirs."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.influxql.parser import parsed
from strata_core.influxql.refusals import ParseError
from strata_core.influxql.syntax import (
    Binary,
    Boolean,
    Call,
    Duration,
    Field,
    Integer,
    Measurement,
    Number,
    Paren,
    Ref,
    Refused,
    Regex,
    Select,
    Show,
    Subquery,
    Text,
    Wildcard,
    text_of,
)
from strata_datamodel.errors import InvalidError, LimitError, StrataError

CPU = (Measurement("cpu"),)


def expression(text: str):
    (select,) = parsed(f"SELECT a FROM cpu WHERE {text}")
    return select.condition


def field(text: str):
    (select,) = parsed(f"SELECT {text} FROM cpu")
    return select.fields[0].expr


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", Ref("a")),
        ('"a"', Ref("a")),
        ('"a b"', Ref("a b")),
        ('"a\\"b\\\\c\\n"', Ref('a"b\\c\n')),
        ('"select"', Ref("select")),
        ("a.b", Ref("a.b")),
        ("a::float", Ref("a", "float")),
        ("a::tag", Ref("a", "tag")),
        ("'it\\'s'", Text("it's")),
        ("5", Integer(5)),
        ("5.25", Number(5.25)),
        (".5", Number(0.5)),
        ("-5", Integer(-5)),
        ("1w2d3h4m5s6ms7u8µ9ns", Duration(788645006015009)),
        ("true", Boolean(value=True)),
        ("*", Wildcard()),
        ("*::field", Wildcard("field")),
        ("/^a\\/b$/", Regex("^a/b$")),
        ("MEAN(a)", Call("mean", (Ref("a"),))),
        ("mean( a )", Call("mean", (Ref("a"),))),
        ("mean(/a/)", Call("mean", (Regex("a"),))),
        ("distinct a", Call("distinct", (Ref("a"),))),
        ("-a", Binary("*", Integer(-1), Ref("a"))),
        ("a + b * c", Binary("+", Ref("a"), Binary("*", Ref("b"), Ref("c")))),
        ("a - b - c", Binary("-", Binary("-", Ref("a"), Ref("b")), Ref("c"))),
        ("(a + b) / c", Binary("/", Paren(Binary("+", Ref("a"), Ref("b"))), Ref("c"))),
        ("a/* ; */-- x\n+ b", Binary("+", Ref("a"), Ref("b"))),
        ("a/b", Binary("/", Ref("a"), Ref("b"))),
    ],
)
def test_fields_are_read(text, found):
    assert field(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = 'x' AND b != 'y'", Binary("AND", Binary("=", Ref("a"), Text("x")), Binary("!=", Ref("b"), Text("y")))),
        ("a <> 'x'", Binary("!=", Ref("a"), Text("x"))),
        ("a =~ /x/ or b = 1", Binary("OR", Binary("=~", Ref("a"), Regex("x")), Binary("=", Ref("b"), Integer(1)))),
        ("a + 1 >= 2", Binary(">=", Binary("+", Ref("a"), Integer(1)), Integer(2))),
        ("time > now() - 1h", Binary(">", Ref("time"), Binary("-", Call("now"), Duration(3_600_000_000_000)))),
    ],
)
def test_conditions_are_read(text, found):
    assert expression(text) == found


def test_a_whole_select_is_read():
    (select,) = parsed(
        'SELECT mean("a") AS m FROM "db"."raw"."cpu",(SELECT b FROM c),/^d/ WHERE e = \'f\' GROUP BY time(1m, 5s), g, *'
        " fill(3) ORDER BY time DESC LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4 tz('UTC')"
    )
    inner = Select((Field(Ref("b")),), (Measurement("c"),))
    assert select == Select(
        (Field(Call("mean", (Ref("a"),)), "m"),),
        (Measurement("cpu", None, "db", "raw"), Subquery(inner), Measurement(pattern="^d")),
        Binary("=", Ref("e"), Text("f")),
        (Call("time", (Duration(60_000_000_000), Duration(5_000_000_000))), Ref("g"), Wildcard()),
        "number",
        3,
        is_ascending=False,
        is_sorted=True,
        limit=1,
        offset=2,
        series_limit=3,
        series_offset=4,
        zone="UTC",
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SHOW DATABASES", Show("DATABASES")),
        ("show measurements", Show("MEASUREMENTS")),
        ("SHOW MEASUREMENTS ON x WITH MEASUREMENT =~ /a/ LIMIT 3", Show(
            "MEASUREMENTS", (Measurement(database="x"), Measurement(pattern="a")), limit=3
        )),
        ("SHOW TAG KEYS FROM cpu WHERE a = 'b'", Show("TAG KEYS", CPU, Binary("=", Ref("a"), Text("b")))),
        ("SHOW TAG VALUES FROM cpu WITH KEY IN (a, b)", Show("TAG VALUES", CPU, None, "IN", ("a", "b"))),
        ("SHOW TAG VALUES WITH KEY !~ /x/", Show("TAG VALUES", (), None, "!~", ("x",))),
        ("SHOW FIELD KEYS FROM cpu OFFSET 2", Show("FIELD KEYS", CPU, offset=2)),
        ("SHOW RETENTION POLICIES ON x", Show("RETENTION POLICIES", (Measurement(database="x"),))),
    ],
)  # fmt: skip
def test_show_is_read(text, found):
    assert parsed(text) == [found]


@pytest.mark.parametrize(
    "name",
    [
        "CREATE DATABASE",
        "CREATE USER",
        "CREATE RETENTION POLICY",
        "CREATE CONTINUOUS QUERY",
        "DROP DATABASE",
        "DROP MEASUREMENT",
        "DROP SERIES",
        "DELETE",
        "GRANT",
        "REVOKE",
        "ALTER RETENTION POLICY",
        "SET PASSWORD FOR",
        "KILL QUERY",
        "EXPLAIN",
        "SHOW USERS",
        "SHOW QUERIES",
        "SHOW STATS",
        "SHOW SHARDS",
        "SHOW CONTINUOUS QUERIES",
    ],
)
def test_what_would_change_or_show_something_else_is_refused_by_name(name):
    assert parsed(f"{name} \"x\" = 'y; z' [all]; SHOW DATABASES") == [Refused(name), Show("DATABASES")]


def test_into_is_refused_by_name():
    assert parsed('SELECT a INTO "x"."y"."z" FROM cpu; SHOW DATABASES') == [Refused("SELECT INTO"), Show("DATABASES")]


def test_errors_tell_the_place():
    for text, message in (
        ("SELECT", "found EOF, expected identifier, string, number, bool at line 1, char 8"),
        ("SELECT a\nFROM cpu\n WHERE )", "found ), expected identifier, string, number, bool at line 3, char 8"),
        ("SELECT a FROM cpu x", "found x, expected ; at line 1, char 19"),
    ):
        with pytest.raises(ParseError) as refused:
            parsed(text)
        assert refused.value.detail == message


def test_bound_values_are_never_read_as_influxql():
    (select,) = parsed(
        "SELECT $f FROM cpu WHERE host = $h AND v > $n AND host =~ $r AND time > now() - $d",
        {
            "h": "x' OR 'a' = 'a",
            "n": 5,
            "f": {"identifier": 'a" FROM secrets; --'},
            "r": {"regex": "^/x/$"},
            "d": {"duration": "1h"},
        },
    )
    assert select.fields[0].expr == Ref('a" FROM secrets; --')
    assert Text("x' OR 'a' = 'a") in _leaves(select.condition)
    assert {Integer(5), Regex("^/x/$"), Duration(3_600_000_000_000)} <= _leaves(select.condition)
    with pytest.raises(ParseError, match="missing parameter: g"):
        parsed("SELECT $g FROM cpu", {"f": 1})


def _leaves(expr) -> set:
    return _leaves(expr.left) | _leaves(expr.right) if isinstance(expr, Binary) else {expr}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT " + "(" * 5_000 + "a" + ")" * 5_000 + " FROM cpu",
        "SELECT a FROM cpu WHERE " + " OR ".join(["a = 1"] * 2_000),
        "SELECT a FROM " + "(SELECT a FROM " * 50 + "cpu" + ")" * 50,
        "SELECT abs(" + "abs(" * 500 + "a" + ")" * 500 + ") FROM cpu",
        ";".join(["SHOW DATABASES"] * 1_000),
        "SELECT a FROM cpu WHERE b =~ /" + "x" * 1_000 + "/",
        "x" * 100_000,
    ],
    ids=lambda text: text[:24],
)
def test_what_is_too_deep_or_too_long_is_refused(text):
    with pytest.raises((LimitError, InvalidError)):
        parsed(text)


NAMES = st.text(st.characters(exclude_characters="\x00\r", exclude_categories=["Cs"]), min_size=1, max_size=6)
SCRAPS = ('SELECT FROM a " / ( ) , . :: ; =~ WHERE -- /* * 5 1h $x ' + "'").split(" ")
OPERATORS = ["+", "-", "*", "/", "%", "=", "!=", "<", "AND", "OR"]
LEAVES = st.one_of(
    NAMES.map(Ref),
    NAMES.map(Text),
    st.integers(-(2**63), 2**63 - 1).map(Integer),
    st.integers(-(10**6), 10**6).map(lambda eighths: Number(eighths / 8)),
    st.integers(0, 2**62).map(Duration),
    st.booleans().map(lambda value: Boolean(value=value)),
)
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            Binary,
            st.sampled_from(OPERATORS),
            inner.map(Paren),
            inner.map(Paren),
        ),
        st.builds(Call, st.sampled_from(["mean", "top", "f_1"]), st.lists(inner, min_size=1, max_size=3).map(tuple)),
        inner.map(Paren),
    ),
    max_leaves=12,
)


@given(EXPRESSIONS)
def test_what_is_written_is_read_again_as_it_was(expr):
    assert expression(text_of(expr)) == expr


@given(st.text(max_size=60) | st.lists(st.sampled_from(
    SCRAPS
), max_size=20).map(" ".join))  # fmt: skip
def test_any_text_is_read_or_refused(text):
    with suppress(StrataError):
        parsed(text)


@given(NAMES, NAMES)
def test_a_quoted_value_stays_one_value(name, value):
    (select,) = parsed(f"SELECT {text_of(Ref(name))} FROM cpu WHERE {text_of(Ref(name))} = {text_of(Text(value))}")
    assert select.sources == CPU
    assert select.condition == Binary("=", Ref(name), Text(value))
