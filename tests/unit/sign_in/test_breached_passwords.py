"""A list of hashes on disk is searched as if it were read whole."""

import hashlib
import os
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.errors import InvalidError, UnavailableError
from strata_stores.passwords.breached import BreachedPasswordFile
from strata_stores.passwords.known import ListedPasswords

WORDS = [f"violet tractor {number}" for number in range(500)]


def line(password, count=1, end="\r\n"):
    return f"{hashlib.sha1(password.encode()).hexdigest().upper()}:{count}{end}"


def write(path, passwords, end="\r\n"):
    lines = sorted(line(password, 7 ** (number % 12), end) for number, password in enumerate(passwords))
    path.write_text("".join(lines), "ascii", newline="")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("breached")


@pytest.mark.parametrize("end", ["\r\n", "\n"])
@pytest.mark.parametrize("count", [1, 2, 3, 500])
def test_every_line_is_found_and_nothing_else(tmp_path, count, end):
    listed = WORDS[:count]
    with closing(BreachedPasswordFile(write(tmp_path / "list", listed, end))) as file:
        assert [password for password in listed if not file.knows(password)] == []
        assert [word for word in (*WORDS[count:], *map(str.upper, listed), "") if file.knows(word)] == []


@given(st.sets(st.text(max_size=6), min_size=1, max_size=40), st.text(max_size=6))
def test_the_search_agrees_with_reading_it_whole(folder, passwords, asked):
    encoded = {word for word in passwords if _fits(word)}
    if not encoded or not _fits(asked):
        return
    with closing(BreachedPasswordFile(write(folder / "list", encoded))) as file:
        assert file.knows(asked) == (asked in encoded)
        assert all(map(file.knows, encoded))


def _fits(word):
    return not any("\ud800" <= sign <= "\udfff" for sign in word)


def test_a_last_line_without_its_end_and_lines_without_counts_are_read(tmp_path):
    hashes = sorted(hashlib.sha1(word.encode()).hexdigest() for word in WORDS[:20])
    (tmp_path / "list").write_text("\n".join(hashes), "ascii")
    with closing(BreachedPasswordFile(tmp_path / "list")) as file:
        assert all(map(file.knows, WORDS[:20]))


def test_a_huge_file_is_searched_in_few_small_reads(tmp_path, monkeypatch):
    path = write(tmp_path / "list", (f"word {number}" for number in range(50_000)))
    reads = []
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *asked: (reads.append(asked[1]), real(*asked))[1])
    with closing(BreachedPasswordFile(path)) as file:
        reads.clear()
        assert file.knows("word 31337")
    assert len(reads) <= 60
    assert max(reads) <= 128


@pytest.mark.parametrize(
    "content",
    ["", "password\n123456\n" * 20, "x" * 10_000, line("b") * 2 + "G" * 60 + "\n" * 20],
)
def test_a_file_of_another_form_is_refused_at_the_start(tmp_path, content):
    (tmp_path / "list").write_text(content, "ascii")
    with pytest.raises(InvalidError) as caught:
        BreachedPasswordFile(tmp_path / "list")
    assert caught.value.code == "bad_passwords_file"


def test_a_list_in_another_order_is_refused(tmp_path):
    (tmp_path / "list").write_text("".join(sorted(map(line, WORDS), reverse=True)), "ascii")
    with pytest.raises(InvalidError):
        BreachedPasswordFile(tmp_path / "list")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidError):
        ListedPasswords.with_file(tmp_path / "none")


def test_a_file_that_was_cut_off_refuses_rather_than_lets_through(tmp_path):
    path = write(tmp_path / "list", WORDS)
    with closing(BreachedPasswordFile(path)) as file:
        path.write_bytes(b"\0" * path.stat().st_size)
        with pytest.raises(UnavailableError):
            file.knows(WORDS[0])


def test_letter_case_does_not_hide_a_breached_password(tmp_path):
    known = ListedPasswords.with_file(write(tmp_path / "list", WORDS[:9]))
    assert known.knows("Violet Tractor 3")
    assert known.knows("violet tractor 3")
    assert not known.knows("violet tractor 99")
    assert not ListedPasswords.with_file(None).knows("violet tractor 3")
