"""Entities of a search index and questions about them, with what a test does not care about filled in."""

import random
from uuid import UUID, uuid4

from strata_core.logs.words import spaced_words
from strata_datamodel.logs import MatchAll
from strata_datamodel.search import IndexSearch, Place, Projected, SearchDocument

BASE_NS = 1_790_000_040 * 1_000_000_000
DAY_NS = 86_400 * 1_000_000_000
PLACE = Place("alert", 1)


def document(text="disk full", at_ns=BASE_NS, *attributes) -> SearchDocument:
    return SearchDocument(at_ns, spaced_words(text), attributes)


def projected(organization_id, version=1, entity_id=None, text="disk full", at_ns=BASE_NS, attributes=()) -> Projected:
    return Projected(organization_id, entity_id or uuid4(), version, version * 10, document(text, at_ns, *attributes))


def deleted(organization_id, version, entity_id) -> Projected:
    return Projected(organization_id, entity_id, version, 0, None)


def index_search(organization_id, where=None, **fields) -> IndexSearch:
    fields = {"place": PLACE, "from_ns": BASE_NS - 400 * DAY_NS, "to_ns": BASE_NS + 400 * DAY_NS, "limit": 500} | fields
    return IndexSearch(organization_id=organization_id, where=where or MatchAll(), **fields)


def seeded_id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128), version=4)
