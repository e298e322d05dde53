from uuid import UUID

import pytest
from starlette.datastructures import Headers

from strata_api.etags import check_if_match, etag, is_unchanged
from strata_datamodel.errors import PreconditionError, PreconditionMissingError

ONE = UUID(int=1)
TAG = etag(ONE, 3)


def test_tags_differ_by_entity_and_by_version():
    assert len({TAG, etag(ONE, 4), etag(UUID(int=2), 3)}) == 3
    assert TAG.startswith('"')
    assert TAG.endswith('"')


@pytest.mark.parametrize("value", [TAG, "*", f'"other", {TAG}', f" {TAG} "])
def test_a_matching_tag_lets_the_change_through(value):
    check_if_match(Headers({"if-match": value}), TAG)


@pytest.mark.parametrize("value", ["", '"other"', f"W/{TAG}", TAG.strip('"'), etag(ONE, 30), "x" * 5000 + TAG])
def test_any_other_tag_is_stale(value):
    with pytest.raises(PreconditionError):
        check_if_match(Headers({"if-match": value}), TAG)


def test_no_tag_is_asked_for():
    with pytest.raises(PreconditionMissingError):
        check_if_match(Headers({}), TAG)


def test_reading_compares_weakly():
    assert is_unchanged(Headers({"if-none-match": f"W/{TAG}"}), TAG)
    assert is_unchanged(Headers({"if-none-match": "*"}), TAG)
    assert not is_unchanged(Headers({"if-none-match": '"other"'}), TAG)
    assert not is_unchanged(Headers({}), TAG)
