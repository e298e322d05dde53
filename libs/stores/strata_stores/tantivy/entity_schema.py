"""The fields of an entity's document: those of an event, and what tells versions apart."""

from typing import Final
from uuid import UUID

import tantivy

from strata_core.search.checksums import bucket_of, checksum_of
from strata_datamodel.ids import OrganizationId
from strata_datamodel.search import Projected
from strata_stores.tantivy.schema import (
    ATTRIBUTES,
    ID_HIGH,
    ID_LOW,
    ORGANIZATION,
    TIMESTAMP,
    WORDS,
    event_fields,
    id_halves,
)

KEY: Final = "key"
VERSION: Final = "version"
BUCKET: Final = "bucket"
CHECKSUM: Final = "checksum"
CHANGED: Final = "changed_us"
DELETED_MS: Final = "deleted_ms"
"""When its deletion was written; 0 of what is alive."""


def entity_schema() -> tantivy.Schema:
    builder = event_fields()
    builder.add_text_field(KEY, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field(VERSION, fast=True)
    builder.add_unsigned_field(BUCKET, indexed=True, fast=True)
    builder.add_unsigned_field(CHECKSUM, fast=True)
    builder.add_integer_field(CHANGED, fast=True)
    builder.add_unsigned_field(DELETED_MS, indexed=True, fast=True)
    return builder.build()


ENTITY_SCHEMA: Final = entity_schema()


def key_of(organization_id: OrganizationId, entity_id: UUID) -> str:
    return f"{entity_id.hex}{organization_id.hex}"


def entity_document(entity: Projected, now_ms: int) -> tantivy.Document:
    high, low = id_halves(entity.entity_id.hex)
    document = tantivy.Document()
    document.add_text(ORGANIZATION, str(entity.organization_id))
    document.add_text(KEY, key_of(entity.organization_id, entity.entity_id))
    document.add_unsigned(ID_HIGH, high)
    document.add_unsigned(ID_LOW, low)
    document.add_unsigned(VERSION, entity.version)
    document.add_unsigned(BUCKET, bucket_of(entity.entity_id))
    document.add_unsigned(CHECKSUM, checksum_of(entity.entity_id, entity.version, entity.changed_us))
    document.add_integer(CHANGED, entity.changed_us)
    document.add_unsigned(DELETED_MS, 0 if entity.document else max(1, now_ms))
    document.add_integer(TIMESTAMP, entity.document.at_ns if entity.document else 0)
    if entity.document is not None:
        document.add_text(WORDS, entity.document.words)
        for term in entity.document.attributes:
            document.add_text(ATTRIBUTES, term)
    return document


def entity_id_of(halves: tuple[int, int]) -> UUID:
    return UUID(int=halves[0] << 64 | halves[1])
