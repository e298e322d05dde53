import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_api.paging import CursorPlace, Cursors
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId, uuid7

CURSORS = Cursors(b"k" * 32)
HERE = CursorPlace(OrganizationId(uuid7(1)), "hosts_list", {"status": "up", "tag": None})
positions = st.lists(st.one_of(st.text(), st.integers(), st.none()), max_size=4)


@given(positions)
def test_a_cursor_opens_where_it_was_sealed(position):
    assert CURSORS.open(HERE, CURSORS.seal(HERE, position)) == position


@pytest.mark.parametrize(
    "elsewhere",
    [
        CursorPlace(OrganizationId(uuid7(2)), "hosts_list", {"status": "up"}),
        CursorPlace(HERE.organization_id, "services_list", {"status": "up"}),
        CursorPlace(HERE.organization_id, "hosts_list", {"status": "down"}),
        CursorPlace(HERE.organization_id, "hosts_list"),
    ],
)
def test_a_cursor_opens_nowhere_else(elsewhere):
    with pytest.raises(InvalidError) as refused:
        CURSORS.open(elsewhere, CURSORS.seal(HERE, ["web-1"]))
    assert refused.value.code == "bad_cursor"


def test_a_filter_that_is_not_set_is_no_other_list():
    same = CursorPlace(HERE.organization_id, "hosts_list", {"status": "up"})
    assert CURSORS.open(same, CURSORS.seal(HERE, ["a"])) == ["a"]


def test_another_installations_cursor_is_refused():
    with pytest.raises(InvalidError):
        CURSORS.open(HERE, Cursors(b"o" * 32).seal(HERE, ["a"]))


@given(st.text(max_size=200))
def test_any_text_is_refused_calmly(text):
    with pytest.raises(InvalidError) as refused:
        CURSORS.open(HERE, text)
    assert refused.value.code == "bad_cursor"


@given(st.data())
def test_a_cursor_with_one_bit_changed_is_refused(data):
    sealed = bytearray(base64.urlsafe_b64decode(CURSORS.seal(HERE, ["web-1", 7]) + "=="))
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[place // 8] ^= 1 << place % 8
    with pytest.raises(InvalidError):
        CURSORS.open(HERE, base64.urlsafe_b64encode(bytes(sealed)).rstrip(b"=").decode())


def test_the_key_does_not_show():
    assert "kkkk" not in repr(CURSORS)
