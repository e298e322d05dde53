"""Each value of an event is one term, and no name and value can pass for another."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from factories.log_events import log_event
from strata_core.logs.attributes import attribute_term, attribute_terms
from strata_datamodel.limits import LOG_ATTRIBUTES, LOG_KEYWORD_BYTES
from strata_datamodel.logs import LogLevel


def test_terms_name_every_value():
    event = log_event(
        level=LogLevel.WARN,
        host_id="h",
        tags={"env": "a=b", "k=v": "x"},
        metadata={"n": 1, "t": True, "none": None, "deep": {"list": [1.5, {"x": "y"}], "a.b": ""}},
    )
    assert attribute_terms(event) == [
        "level=warn",
        "host_id=h",
        "service_id=",
        "stream=",
        "tags.env=a=b",
        "tags.k\\=v=x",
        "metadata.n=1",
        "metadata.t=true",
        "metadata.deep.list=1.5",
        "metadata.deep.list.x=y",
        "metadata.deep.a.b=",
    ]


def test_long_values_and_values_past_the_limit_have_no_term():
    fixed = len(attribute_terms(log_event()))
    many = log_event(metadata={"list": list(range(LOG_ATTRIBUTES * 3)), "after": "x"})
    assert len(attribute_terms(many)) == fixed + LOG_ATTRIBUTES
    assert len(attribute_terms(replace(many, metadata={str(n): n for n in range(5_000)}))) == fixed + LOG_ATTRIBUTES
    long = log_event(host_id="é" * (LOG_KEYWORD_BYTES // 2), tags={"v": "x"})
    assert "tags.v=x" in attribute_terms(long)
    assert not any(term.startswith("host_id=") for term in attribute_terms(long))
    assert attribute_term("host_id", long.host_id) is None


def test_nesting_deeper_than_the_interpreter_recurses_is_walked():
    tree: dict[str, object] = {"end": 1}
    for _ in range(3_000):
        tree = {"d": tree}
    assert attribute_terms(log_event(metadata=tree))[-1].endswith(".d.end=1")


names = st.text(st.sampled_from("a=\\."), min_size=1, max_size=5)
values = st.text(st.sampled_from("a=\\."), max_size=5)


@given(names, values, names, values)
def test_different_names_or_values_have_different_terms(name, value, other_name, other_value):
    same = (name, value) == (other_name, other_value)
    assert (attribute_term(name, value) == attribute_term(other_name, other_value)) is same
