"""Words are maximal runs of letters and digits in any case, in one spelling for every store."""

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.logs.words import spaced_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("-- !", ()),
        ("Foo.bar_BAZ 10.0.0.1", ("foo", "bar", "baz", "10", "0", "0", "1")),
        ("it's", ("it", "s")),
        ("Straße STRASSE", ("strasse", "strasse")),
        ("ﬁx ① ²", ("fix", "1", "2")),
        ("nai\u0308ve naïve", ("naïve", "naïve")),
        ("Люди\u00a0ЛЮДИ", ("люди", "люди")),
        ("漢字、仮名", ("漢字", "仮名")),
    ],
)
def test_words_of_a_text(text, words):
    assert words_of(text) == words


def test_every_ascii_character_is_a_letter_a_digit_or_a_gap():
    text = "".join(map(chr, range(128)))
    assert words_of(text) == ("0123456789", "abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz")


def test_a_long_word_stays_itself_under_every_engine_limit():
    long, other, upper = "x" * 5_000, "x" * 5_001, "X" * 5_000
    assert words_of(long) == words_of(upper) != words_of(other)
    assert words_of(f"a {long} b")[1:2] == words_of(long)
    assert words_of("x" * 100) == ("x" * 100,)


@given(st.text())
def test_indexed_text_holds_short_words_and_single_kind_of_space_only(text):
    spaced = spaced_words(text)
    words = [word for word in spaced.split(" ") if word]
    assert tuple(words) == words_of(text)
    assert all(len(word) <= 100 and all(map(str.isalnum, word)) for word in words)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_quick_path_for_ascii_agrees_with_the_definition(text):
    defined = ["".join(run) for is_word, run in groupby(text.lower(), str.isalnum) if is_word]
    assert [word for word in words_of(text) if len(word) < 64] == [word for word in defined if len(word) < 64]
