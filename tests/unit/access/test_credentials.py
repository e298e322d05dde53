import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.access.credentials import presented_token
from strata_core.access.tokens import issue_token

TOKEN = issue_token("live", lambda size: b"\x07" * size).text


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "header",
    [
        f"Bearer {TOKEN}",
        f"bearer   {TOKEN} ",
        f"Token {TOKEN}",
        f"Token someone:{TOKEN}",
        f"Basic {b64('anybody:' + TOKEN)}",
        f"BASIC {b64(':' + TOKEN)}",
        f"ApiKey {b64('id:' + TOKEN)}",
        f"ApiKey {TOKEN}",
    ],
)
def test_every_scheme_that_agents_use_presents_the_key(header):
    assert presented_token(header, {}) == TOKEN


def test_v1_clients_present_the_key_as_a_password_parameter():
    assert presented_token(None, {"u": "telegraf", "p": TOKEN}) == TOKEN


def test_a_header_wins_over_parameters():
    assert presented_token("Bearer other", {"p": TOKEN}) == "other"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic !!!", "Basic", f"Basic {b64('no colon')}", f"Digest {TOKEN}", "ApiKey x", TOKEN],
)
def test_what_cannot_be_read_presents_nothing(header):
    assert presented_token(header, {}) is None


def test_an_empty_or_absent_parameter_presents_nothing():
    assert presented_token(None, {"u": "x", "p": ""}) is None
    assert presented_token(None, {}) is None


def test_an_oversized_header_is_not_looked_at():
    assert presented_token("Bearer " + "x" * 5000, {}) is None


@given(st.text(max_size=300))
def test_no_header_raises(header):
    presented_token(header, {})
    presented_token(f"Basic {header}", {})
    presented_token(f"ApiKey {header}", {})
