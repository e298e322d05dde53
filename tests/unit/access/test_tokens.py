import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.access.tokens import hash_secret, is_secret, issue_token, parse_token
from strata_datamodel.errors import InvalidError, UnauthenticatedError

environments = st.from_regex(r"[a-z][a-z0-9]{0,15}", fullmatch=True)


@given(environments, st.integers())
def test_an_issued_token_is_read_back_as_the_same_key(environment, seed):
    issued = issue_token(environment, random.Random(seed).randbytes)
    parsed = parse_token(issued.text)
    assert parsed.key_id == issued.key_id
    assert is_secret(parsed.secret, issued.secret_hash)
    assert issued.text.startswith(f"strata_{environment}_{issued.key_id}_")


@given(st.data())
def test_a_token_with_one_character_changed_is_refused_without_a_look_up(data):
    text = issue_token("live", random.Random(1).randbytes).text
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8").filter(lambda c: c != text[place]))
    with pytest.raises(UnauthenticatedError) as refused:
        parse_token(text[:place] + other + text[place + 1 :])
    assert refused.value.code == "bad_token"


@given(st.text(max_size=200))
def test_any_text_is_refused_calmly(text):
    with pytest.raises(UnauthenticatedError):
        parse_token(text)


@pytest.mark.parametrize("suffix", ["\n", " ", "\0", "A"])
def test_nothing_may_follow_a_token(suffix):
    with pytest.raises(UnauthenticatedError):
        parse_token(issue_token().text + suffix)


@pytest.mark.parametrize("environment", ["", "Live", "a_b", "a" * 17, "1a", "ä"])
def test_an_environment_that_would_not_read_back_is_refused(environment):
    with pytest.raises(InvalidError) as refused:
        issue_token(environment)
    assert refused.value.code == "bad_environment"


def test_extreme_randomness_keeps_the_shape():
    for byte in (b"\x00", b"\xff"):
        issued = issue_token("live", lambda size, byte=byte: byte * size)
        assert parse_token(issued.text).key_id == issued.key_id


def test_two_tokens_share_neither_id_nor_secret():
    first, second = issue_token(), issue_token()
    assert first.key_id != second.key_id
    assert first.secret_hash != second.secret_hash


def test_neither_secret_nor_its_hash_shows_in_a_repr():
    issued = issue_token()
    parsed = parse_token(issued.text)
    assert parsed.secret not in repr(parsed) + repr(issued)
    assert str(issued.secret_hash) not in repr(issued)


def test_a_wrong_secret_is_not_the_secret():
    assert not is_secret("other", hash_secret("secret"))
