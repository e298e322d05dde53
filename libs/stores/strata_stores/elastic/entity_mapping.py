"""What a generation of an index of entities looks like, and how an entity becomes a document of it."""

import json
from typing import Any, Final
from uuid import UUID

from strata_core.search.checksums import bucket_of, checksum_of
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import IndexSearch, Projected
from strata_stores.elastic.compiler import Query, compiled, of_organization
from strata_stores.elastic.mapping import ATTRIBUTES, MADE_FOR_SEARCH, ORGANIZATION, TIMESTAMP, WORDS

ENTITY: Final = "entity_id"
BUCKET: Final = "bucket"
CHECKSUM: Final = "checksum"
CHANGED: Final = "changed_us"
DELETED_MS: Final = "deleted_ms"
"""When its deletion was written; nothing for what is alive."""

_PROPERTIES: Final[dict[str, Any]] = {
    ORGANIZATION: {"type": "keyword"},
    ENTITY: {"type": "keyword"},
    TIMESTAMP: {"type": "long"},
    WORDS: {"type": "text", "analyzer": "whitespace", "norms": False},
    ATTRIBUTES: {"type": "keyword", "doc_values": False},
    BUCKET: {"type": "integer"},
    CHECKSUM: {"type": "long"},
    CHANGED: {"type": "long"},
    DELETED_MS: {"type": "long"},
}
_TOMBSTONE: Final[Query] = {"exists": {"field": DELETED_MS}}


def new_index(alias: str) -> dict[str, Any]:
    """Written to by its alias alone: a bulk request to a name that nothing has would make an index of that name, with
    a mapping that nobody chose."""
    return {
        "settings": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "refresh_interval": "1s"},
        "mappings": {"dynamic": "strict", "_source": {"excludes": MADE_FOR_SEARCH}, "properties": _PROPERTIES},
        "aliases": {alias: {"is_write_index": True}},
    }


def entity_action(alias: str, entity: Projected) -> bytes:
    identity = f"{entity.entity_id.hex}{entity.organization_id.hex}"
    version = {"version": entity.version, "version_type": "external"}
    return json.dumps({"index": {"_index": alias, "_id": identity, "require_alias": True} | version}).encode()


def entity_document(entity: Projected, now_ms: int) -> bytes:
    document: dict[str, object] = {
        ORGANIZATION: str(entity.organization_id),
        ENTITY: entity.entity_id.hex,
        BUCKET: bucket_of(entity.entity_id),
        CHECKSUM: checksum_of(entity.entity_id, entity.version, entity.changed_us),
        CHANGED: entity.changed_us,
    }
    if entity.document is None:
        document[DELETED_MS] = now_ms
    else:
        document |= {
            TIMESTAMP: entity.document.at_ns,
            WORDS: entity.document.words,
            ATTRIBUTES: entity.document.attributes,
        }
    return json.dumps(document).encode()


def alive(organization_id: OrganizationId, *narrowed_by: Query) -> Query:
    return of_organization(organization_id, {"bool": {"must_not": [_TOMBSTONE]}}, *narrowed_by)


def entities_of(search: IndexSearch) -> Query:
    in_time = {"range": {TIMESTAMP: {"gte": search.from_ns, "lt": search.to_ns}}}
    excluded = {"terms": {ENTITY: sorted(entity_id.hex for entity_id in search.without)}}
    return alive(search.organization_id, in_time, compiled(search.where), {"bool": {"must_not": [excluded]}})


def held_in(organization_id: OrganizationId, bucket: int) -> Query:
    return of_organization(organization_id, {"term": {BUCKET: {"value": bucket}}})


def deleted_before(before_ms: int) -> Query:
    """Of all organizations, to be forgotten: the one question that is not of one organization, and shows nothing."""
    return {"range": {DELETED_MS: {"lt": before_ms}}}


def entity_id_of(text: str) -> UUID:
    return UUID(hex=text)
