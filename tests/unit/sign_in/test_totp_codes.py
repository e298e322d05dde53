from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.sign_in.totp import (
    SECRET_BYTES,
    code_at,
    enrolment_url,
    looks_like_code,
    matching_step,
    new_secret,
    secret_text,
    step_of,
)

RFC_SECRET = b"12345678901234567890"


@pytest.mark.parametrize(
    ("unix_s", "code"),
    [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(unix_s, code):
    assert code_at(RFC_SECRET, unix_s // 30) == code


@pytest.mark.parametrize(("distance", "works"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_a_neighbouring_step_works_and_no_other(distance, works):
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    step = step_of(now)
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, step + distance), now, None)
    assert found == (step + distance if works else None)


@given(used=st.integers(-3, 3), typed=st.integers(-1, 1))
def test_no_code_at_or_before_the_last_used_one_works(used, typed):
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    step = step_of(now)
    found = matching_step(RFC_SECRET, code_at(RFC_SECRET, step + typed), now, step + used)
    assert found == (step + typed if typed > used else None)


@given(st.text())
def test_no_text_but_the_code_is_taken_and_none_crashes(text):
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    codes = {code_at(RFC_SECRET, step_of(now) + distance) for distance in (-1, 0, 1)}
    assert (matching_step(RFC_SECRET, text, now, None) is not None) == (text in codes)
    assert looks_like_code(text) == (len(text) == 6 and all(sign in "0123456789" for sign in text))


def test_secrets_are_long_and_never_the_same():
    assert len({new_secret() for _ in range(50)}) == 50
    assert len(new_secret()) == SECRET_BYTES


def test_the_url_says_all_that_an_app_needs_whatever_the_address_is():
    url = urlsplit(enrolment_url(RFC_SECRET, "ada+x&y@acme.test"))
    assert (url.scheme, url.netloc, url.path) == ("otpauth", "totp", "/Strata:ada%2Bx%26y%40acme.test")
    assert parse_qs(url.query) == {
        "secret": [secret_text(RFC_SECRET)],
        "issuer": ["Strata"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }
