"""What every search index must do: keep the greatest version, find by organization only, and say what it holds."""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from factories.indexed_entities import (
    BASE_NS,
    PLACE,
    deleted,
    index_search,
    projected,
    seeded_id,
)
from strata_core.ports.search_index import SearchIndex
from strata_core.search.checksums import bucket_of, checksum_of
from strata_core.search.matching import matches
from strata_datamodel.ids import OrganizationId
from strata_datamodel.logs import And, FieldIs, MatchAll, Not, Or, SortOrder, Text
from strata_datamodel.search import Bucket, GenerationMissingError, Held, IndexPosition, IndexSearch, Place, Projected


class SearchIndexContract:
    @pytest.fixture
    def index(self, new_index: Callable[[], SearchIndex]) -> SearchIndex:
        made = new_index()
        made.create(PLACE)
        return made

    @pytest.fixture
    def acme(self) -> OrganizationId:
        return OrganizationId(uuid4())

    @pytest.fixture
    def umbrella(self) -> OrganizationId:
        return OrganizationId(uuid4())

    def test_versions_that_come_in_any_order_leave_the_greatest(self, index, acme):
        for order in permutations((1, 2, 3)):
            entity_id = uuid4()
            for version in order:
                index.write(PLACE, [projected(acme, version, entity_id, text=f"version {version}")])
            assert held(index, acme, entity_id) == Held(entity_id, 3, 30, is_deleted=False)
            assert found_ids(index, acme, Text("version 3")).count(entity_id) == 1
            assert entity_id not in found_ids(index, acme, Or((Text("version 1"), Text("version 2"))))

    def test_a_deletion_outlasts_older_versions_that_come_late(self, index, acme):
        entity_id = uuid4()
        for entity in (projected(acme, 3, entity_id), projected(acme, 1, entity_id), projected(acme, 2, entity_id)):
            index.write(PLACE, [entity])
        index.write(PLACE, [deleted(acme, 4, entity_id)])
        index.write(PLACE, [projected(acme, 2, entity_id)])
        assert found_ids(index, acme) == []
        assert held(index, acme, entity_id) == Held(entity_id, 4, 0, is_deleted=True)
        index.write(PLACE, [projected(acme, 5, entity_id)])
        assert found_ids(index, acme) == [entity_id]

    def test_versions_of_one_entity_in_one_writing_leave_the_greatest(self, index, acme):
        entity_id = uuid4()
        index.write(PLACE, [projected(acme, version, entity_id, text=f"v{version}") for version in (2, 4, 1, 3)])
        assert found_ids(index, acme, Text("v4")) == [entity_id]
        assert index.search(index_search(acme)).total.value == 1

    def test_writers_at_once_leave_the_greatest(self, index, acme):
        entity_id = uuid4()

        def write(versions: list[int]) -> None:
            for version in versions:
                index.write(PLACE, [projected(acme, version, entity_id)])

        threads = [threading.Thread(target=write, args=(list(range(at, 25, 4)),)) for at in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert held(index, acme, entity_id) == Held(entity_id, 24, 240, is_deleted=False)

    def test_every_filter_finds_what_it_finds_without_a_store(self, index, acme, umbrella):
        chance = random.Random(11)
        levels = ("info", "critical")
        texts = ("disk full on web-1", "disk slow", "Übergröße", "memory full", "full disk")
        entities = [
            projected(
                acme,
                entity_id=seeded_id(chance),
                text=chance.choice(texts),
                at_ns=BASE_NS + chance.randrange(5) * 1_000,
                attributes=(
                    f"severity={chance.choice(levels)}",
                    f"labels.host=web-{chance.randrange(3)}",
                ),
            )
            for _ in range(60)
        ]
        index.write(PLACE, entities)
        index.write(PLACE, [replace(entity, organization_id=umbrella) for entity in entities])
        index.refresh(PLACE)
        for where in (
            MatchAll(),
            Text("disk full"),
            Text("disk full", phrase=True),
            Text("übergröße"),
            FieldIs("severity", "critical"),
            FieldIs("labels.host", "web-", prefix=True),
            FieldIs("labels.host", "web"),
            And((FieldIs("severity", "info"), Not(Text("disk")))),
            Or((FieldIs("labels.host", "web-2"), Text("slow"))),
            Or(()),
            Not(MatchAll()),
        ):
            for order in SortOrder:
                search = index_search(acme, where, order=order, from_ns=BASE_NS + 1_000, to_ns=BASE_NS + 4_000)
                wanted = expected(entities, search)
                assert [(hit.at_ns, hit.entity_id) for hit in index.search(search).found] == wanted, where
                assert paged(index, replace(search, limit=7)) == wanted, where

    def test_what_a_caller_looks_at_himself_is_neither_found_nor_counted(self, index, acme):
        entities = [projected(acme, at_ns=BASE_NS + at) for at in range(5)]
        index.write(PLACE, entities)
        index.refresh(PLACE)
        page = index.search(
            index_search(acme, without=frozenset({entities[0].entity_id, entities[3].entity_id, uuid4()}))
        )
        assert [hit.entity_id for hit in page.found] == [entities[at].entity_id for at in (4, 2, 1)]
        assert page.total.value == 3

    def test_two_organizations_with_the_same_ids_never_mix(self, index, acme, umbrella):
        ids = [uuid4() for _ in range(5)]
        index.write(PLACE, [projected(org, n + 1, ids[n]) for n in range(5) for org in (acme, umbrella)])
        index.write(PLACE, [deleted(umbrella, 9, ids[0]), projected(umbrella, 9, ids[1])])
        assert sorted(found_ids(index, acme)) == sorted(ids)
        assert sorted(found_ids(index, umbrella)) == sorted(ids[1:])
        assert held(index, acme, ids[1]) == Held(ids[1], 2, 20, is_deleted=False)
        crafted = FieldIs("x", '" OR organization_id:* OR "')
        assert found_ids(index, acme, Or((crafted, FieldIs("organization_id", str(umbrella))))) == []

    def test_buckets_are_those_of_the_live_versions(self, index, acme, umbrella):
        chance = random.Random(5)
        versions = {seeded_id(chance): chance.randrange(1, 1 << 40) for _ in range(700)}
        index.write(PLACE, [projected(acme, version, entity_id) for entity_id, version in versions.items()])
        index.write(PLACE, [projected(umbrella) for _ in range(20)])
        gone = list(versions)[:10]
        index.write(PLACE, [deleted(acme, 1 << 41, entity_id) for entity_id in gone])
        index.refresh(PLACE)
        live = {entity_id: version for entity_id, version in versions.items() if entity_id not in gone}
        wanted: dict[int, Bucket] = {}
        for entity_id, version in live.items():
            before = wanted.get(bucket_of(entity_id), Bucket(0, 0))
            checksum = before.checksum + checksum_of(entity_id, version, version * 10)
            wanted[bucket_of(entity_id)] = Bucket(before.count + 1, checksum)
        assert dict(index.buckets(PLACE, acme)) == wanted

    def test_a_scan_gives_a_bucket_in_pages_by_id_with_its_deletions(self, index, acme, umbrella):
        chance = random.Random(3)
        ids = sorted(UUID(int=chance.getrandbits(120) << 8 | 7) for _ in range(25))
        index.write(PLACE, [projected(acme, at + 1, entity_id) for at, entity_id in enumerate(ids)])
        index.write(PLACE, [deleted(acme, 99, ids[4]), projected(umbrella, 1, ids[5]), projected(acme, 1, UUID(int=8))])
        index.refresh(PLACE)
        wanted = [Held(entity_id, at + 1, 10 * at + 10, is_deleted=False) for at, entity_id in enumerate(ids)]
        wanted[4] = Held(ids[4], 99, 0, is_deleted=True)
        assert scanned(index, acme, 7, limit=4) == wanted
        assert scanned(index, acme, 9, limit=4) == []

    def test_generations_are_apart(self, index, acme):
        newer = Place("alert", 12)
        index.create(newer)
        index.create(newer)
        assert index.generations("alert") == [1, 12]
        first, second = projected(acme), projected(acme)
        index.write(PLACE, [first])
        index.write(newer, [second])
        index.create(PLACE)
        assert found_ids(index, acme) == [first.entity_id]
        assert found_ids(index, acme, place=newer) == [second.entity_id]
        index.drop(PLACE)
        index.drop(PLACE)
        assert index.generations("alert") == [12]
        assert found_ids(index, acme, place=newer) == [second.entity_id]

    def test_a_generation_that_is_not_there_is_said_to_be_missing_and_not_made(self, index, acme):
        missing = Place("alert", 77)
        for ask in (
            lambda: index.write(missing, [projected(acme)]),
            lambda: index.refresh(missing),
            lambda: index.search(index_search(acme, place=missing)),
            lambda: index.buckets(missing, acme),
            lambda: index.scan(missing, acme, 0, after=None, limit=1),
            lambda: index.remove(missing, acme),
        ):
            with pytest.raises(GenerationMissingError):
                ask()
        assert index.generations("alert") == [1]

    def test_a_generation_that_is_made_again_is_empty(self, index, acme):
        index.write(PLACE, [projected(acme)])
        index.drop(PLACE)
        index.create(PLACE)
        assert found_ids(index, acme) == []

    def test_old_deletions_are_purged_and_nothing_else(self, index, acme):
        kept, gone = uuid4(), uuid4()
        index.write(PLACE, [projected(acme, 1, kept), projected(acme, 1, gone)])
        index.write(PLACE, [deleted(acme, 2, gone)])
        assert index.purge_deleted(PLACE, 1, limit=10) == 0
        assert held(index, acme, gone) is not None
        assert index.purge_deleted(PLACE, 1 << 50, limit=10) == 1
        assert held(index, acme, gone) is None
        assert found_ids(index, acme) == [kept]

    def test_an_organization_is_removed_with_its_deletions_and_its_neighbour_stays(self, index, acme, umbrella):
        gone = uuid4()
        index.write(PLACE, [projected(acme) for _ in range(5)] + [deleted(acme, 1, gone), projected(umbrella)])
        index.remove(PLACE, acme)
        index.remove(PLACE, acme)
        assert found_ids(index, acme) == []
        assert held(index, acme, gone) is None
        assert dict(index.buckets(PLACE, acme)) == {}
        assert len(found_ids(index, umbrella)) == 1


def found_ids(index: SearchIndex, organization_id: OrganizationId, where=None, **fields) -> list[UUID]:
    search = index_search(organization_id, where, **fields)
    index.refresh(search.place)
    return [hit.entity_id for hit in index.search(search).found]


def held(index: SearchIndex, organization_id: OrganizationId, entity_id: UUID) -> Held | None:
    index.refresh(PLACE)
    return next(
        (one for one in scanned(index, organization_id, bucket_of(entity_id), 100) if one.entity_id == entity_id), None
    )


def scanned(index: SearchIndex, organization_id: OrganizationId, bucket: int, limit: int) -> list[Held]:
    found: list[Held] = []
    while page := index.scan(PLACE, organization_id, bucket, after=found[-1].entity_id if found else None, limit=limit):
        assert len(page) <= limit
        found += page
    return found


def paged(index: SearchIndex, search: IndexSearch) -> list[tuple[int, UUID]]:
    keys: list[tuple[int, UUID]] = []
    while True:
        page = index.search(search)
        shown = page.found[: search.limit]
        keys += [(hit.at_ns, hit.entity_id) for hit in shown]
        if len(page.found) <= search.limit:
            assert page.total.value == len(keys)
            return keys
        search = replace(search, after=IndexPosition(*keys[-1]))


def expected(entities: list[Projected], search: IndexSearch) -> list[tuple[int, UUID]]:
    keys = [
        (entity.document.at_ns, entity.entity_id)
        for entity in entities
        if entity.document is not None
        and search.from_ns <= entity.document.at_ns < search.to_ns
        and matches(search.where, entity.document)
    ]
    return sorted(keys, reverse=search.order is SortOrder.DESC)
