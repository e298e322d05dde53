from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from starlette.datastructures import Headers

from strata_api.etags import check_if_match, etag, is_unchanged, tag_of
from strata_datamodel.errors import PreconditionError, PreconditionMissingError

ONE = UUID(int=1)
TAG = etag(ONE, 3)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Host:
    last_seen_at: datetime | None
    version: int = 3
    id: UUID = ONE


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


def test_what_is_observed_of_an_entity_makes_another_tag_for_who_reads_it():
    host = Host(NOON)
    later = replace(host, last_seen_at=NOON + timedelta(minutes=1))
    assert len({tag_of(Host(None)), tag_of(host), tag_of(later)}) == 3
    assert not is_unchanged(Headers({"if-none-match": tag_of(host)}), tag_of(later))
    assert is_unchanged(Headers({"if-none-match": tag_of(host)}), tag_of(host))


@pytest.mark.parametrize("name", ["last_seen_at", "last_evaluated_at", "last_result", "last_error"])
def test_an_entity_of_json_values_has_it_in_its_tag_too(name):
    entity = {"id": str(ONE), "version": 3}
    assert tag_of({**entity, name: "new"}) not in {tag_of(entity), tag_of({**entity, name: "old"})}


def test_who_changes_an_entity_is_asked_for_its_version_alone():
    seen, now = tag_of(Host(NOON)), tag_of(Host(NOON + timedelta(minutes=1)))
    for tag in (seen, TAG, f'"other", {seen}'):
        check_if_match(Headers({"if-match": tag}), now)
    check_if_match(Headers({"if-match": now}), TAG)
    for tag in (tag_of(Host(NOON, version=2)), tag_of(Host(NOON, id=UUID(int=2))), f"W/{seen}", seen.strip('"')):
        with pytest.raises(PreconditionError):
            check_if_match(Headers({"if-match": tag}), now)
