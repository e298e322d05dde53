"""The tag on a ring."""

from uuid import UUID

import pytest

from strata_core.outbox.ringing import sign, verify
from strata_datamodel.ids import OutboxId

KEY = b"k" * 32
ONE = OutboxId(UUID("01900000-0000-7000-8000-000000000001"))
TWO = OutboxId(UUID("01900000-0000-7000-8000-000000000002"))


def test_a_tag_verifies_for_its_key_and_id_only() -> None:
    tag = sign(KEY, ONE)
    assert verify(KEY, ONE, tag)
    assert not verify(KEY, TWO, tag)
    assert not verify(b"x" * 32, ONE, tag)


@pytest.mark.parametrize("tag", ["", "0" * 64, "\N{SNOWMAN}", "\ud800", sign(KEY, ONE)[:-1], sign(KEY, ONE).upper()])
def test_no_other_text_verifies_or_breaks(tag: str) -> None:
    assert not verify(KEY, ONE, tag)
