from concurrent.futures import ThreadPoolExecutor

import pytest

from strata_datamodel.errors import UnavailableError
from strata_stores.passwords.argon2 import Argon2PasswordHasher


@pytest.fixture
def hasher():
    hasher = Argon2PasswordHasher(memory_kib=64)
    yield hasher
    hasher.close()


def test_a_hash_matches_its_password_only(hasher):
    hashed = hasher.hash("correct horse")
    assert hashed.startswith("$argon2id$")
    assert hasher.verify(hashed, "correct horse").is_match
    assert not hasher.verify(hashed, "correct horsf").is_match
    assert hasher.hash("correct horse") != hashed


def test_no_hash_and_an_unreadable_one_match_nothing(hasher):
    for stored in (None, "", "junk", "$argon2id$junk", "$2b$12$abcdefghijklmnopqrstuv"):
        for password in ("", "correct horse"):
            assert not hasher.verify(stored, password).is_match


def test_a_weaker_hash_is_to_be_made_anew(hasher):
    stronger = Argon2PasswordHasher(memory_kib=128)
    try:
        verdict = stronger.verify(hasher.hash("correct horse"), "correct horse")
        assert (verdict.is_match, verdict.needs_rehash) == (True, True)
        assert not stronger.verify(stronger.hash("x" * 20), "x" * 20).needs_rehash
    finally:
        stronger.close()


def test_any_text_may_be_a_password(hasher):
    for password in ("", "\0", "\ud800", "päss wörd 🔑", "x" * 1024):
        assert hasher.verify(hasher.hash(password), password).is_match


def test_too_many_at_once_are_sent_away_instead_of_waiting():
    hasher = Argon2PasswordHasher(memory_kib=16_384, time_cost=4, at_once=1, waiting=1)
    try:
        with ThreadPoolExecutor(12) as crowd:
            attempts = [crowd.submit(hasher.hash, "correct horse") for _ in range(12)]
        refused = [attempt.exception() for attempt in attempts if attempt.exception()]
        assert refused
        assert all(isinstance(error, UnavailableError) and error.code == "sign_in_busy" for error in refused)
        assert len(refused) < len(attempts)
        assert hasher.hash("places are free again")
    finally:
        hasher.close()
