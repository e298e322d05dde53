import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.sign_in.rules import check_password
from strata_datamodel.errors import InvalidError
from strata_stores.passwords.known import ListedPasswords

KNOWN = ListedPasswords()
ABOUT = ("ada.lovelace@engine.test", "Ada Lovelace", "Analytical Engines", "anal-eng")


def is_refused(password, about=()):
    try:
        check_password(password, KNOWN, about)
    except InvalidError as error:
        return error.code == "weak_password"
    return False


@pytest.mark.parametrize(
    "password",
    [
        "password",
        "PASSWORD",
        "Password1!",
        "p@ssw0rd",
        "P@ssw0rd2026!",
        "12345678",
        "123456789",
        "qwertyuiop",
        "iloveyou!!",
        "".join(chr(ord(sign) + 0xFEE0) for sign in "password"),  # full width
        "!!letmein2024",
        "trustno1",
        "short",
        "x" * 1_025,
    ],
)
def test_what_everybody_tries_first_is_refused(password):
    assert is_refused(password)


def test_the_refusal_does_not_repeat_the_password():
    with pytest.raises(InvalidError) as refused:
        check_password("P@ssw0rd2026!", KNOWN)
    assert "P@ssw0rd2026!" not in f"{refused.value.detail} {refused.value.hint} {refused.value.problems}"


@pytest.mark.parametrize("password", ["correct horse battery", "vK3#qhz!Lw09", "grüne Tomaten im Mai", "8f3a9d2c11e0"])
def test_a_good_one_passes(password):
    assert not is_refused(password, ABOUT)


@pytest.mark.parametrize(
    "password",
    [
        "ada.lovelace@engine.test",
        "xx-Lovelace-77",
        "my engine is fast",
        "ANALYTICAL engines 9",
        "analyticalengines-x",
        "in anal-eng we trust",
    ],
)
def test_what_a_stranger_knows_of_the_person_is_refused(password):
    assert is_refused(password, ABOUT)
    assert not is_refused(password, ("bob@other.test", "Bob", "Other Company"))


def test_a_short_name_does_not_forbid_every_password_that_holds_its_letters():
    assert not is_refused("a database of trees", ("ada@io.test", "Ada", "IO"))


@given(st.text(min_size=8, max_size=60), st.lists(st.text(max_size=30), max_size=4))
def test_no_password_and_no_name_crashes_the_rules(password, about):
    is_refused(password, about)
