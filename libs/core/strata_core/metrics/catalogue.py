"""Which measurements there are: those with a known meaning, and all that the organization has sent."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from strata_core.access.rules import require
from strata_core.context import Context
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.limits import FIELDS_PER_MEASUREMENT, SERIES_LOOKED_AT
from strata_datamodel.measurements import MEASUREMENTS
from strata_datamodel.metrics import FieldClass

# Each name is a step in the index, however many series it has.
_NAMES: Final = text("""
    WITH RECURSIVE sent (measurement, place) AS (
        (SELECT measurement, 1 FROM metric_series WHERE organization_id = :organization_id AND measurement > :after
         ORDER BY measurement LIMIT 1)
        UNION ALL
        SELECT (SELECT s.measurement FROM metric_series s WHERE s.organization_id = :organization_id
                AND s.measurement > sent.measurement ORDER BY s.measurement LIMIT 1), place + 1
        FROM sent WHERE measurement IS NOT NULL AND place < :limit)
    SELECT measurement, bool_or(is_seen) AS is_seen FROM (
        SELECT measurement, true AS is_seen FROM sent WHERE measurement IS NOT NULL
        UNION ALL SELECT known, false FROM unnest(CAST(:known AS text[])) known WHERE known > :after) found
    GROUP BY measurement ORDER BY measurement LIMIT :limit
""")
_FIELDS: Final = text("""
    SELECT asked.measurement, fields.field, looked_at.classes, looked_at.tags
    FROM unnest(CAST(:names AS text[])) asked (measurement),
    LATERAL (
        WITH RECURSIVE sent (field, place) AS (
            (SELECT s.field, 1 FROM metric_series s WHERE s.organization_id = :organization_id
             AND s.measurement = asked.measurement ORDER BY s.field LIMIT 1)
            UNION ALL
            SELECT (SELECT s.field FROM metric_series s WHERE s.organization_id = :organization_id
                    AND s.measurement = asked.measurement AND s.field > sent.field ORDER BY s.field LIMIT 1), place + 1
            FROM sent WHERE field IS NOT NULL AND place < :fields)
        SELECT field FROM sent WHERE field IS NOT NULL) fields,
    LATERAL (
        WITH few AS MATERIALIZED (
            SELECT field_class, tags FROM metric_series s WHERE s.organization_id = :organization_id
            AND s.measurement = asked.measurement AND s.field = fields.field LIMIT :series)
        SELECT (SELECT array_agg(DISTINCT field_class) FROM few) AS classes,
               (SELECT coalesce(array_agg(DISTINCT tag), '{}') FROM few, jsonb_object_keys(few.tags) tag) AS tags
    ) looked_at
    ORDER BY asked.measurement, fields.field
""")


@dataclass(frozen=True, slots=True)
class KnownTag:
    name: str
    description: str | None
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KnownField:
    name: str
    classes: tuple[FieldClass, ...]
    unit: str | None
    unit_tag: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class KnownMeasurement:
    """`is_seen` when the organization sent it, `is_specified` when its meaning is known."""

    name: str
    is_seen: bool
    is_specified: bool
    description: str | None
    tags: tuple[KnownTag, ...]
    fields: tuple[KnownField, ...]


@dataclass(slots=True)
class _Sent:
    classes: dict[str, tuple[FieldClass, ...]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)


def measurement_page(ctx: Context, uow: UnitOfWork, *, limit: int, after: str | None) -> list[KnownMeasurement]:
    """By name. Of a measurement up to FIELDS_PER_MEASUREMENT fields; their classes and tags are those of up to
    SERIES_LOOKED_AT of each field's series."""
    require(ctx, "metrics:read")
    here = {"organization_id": uow.organization_id}
    asked = {**here, "after": after or "", "limit": limit, "known": list(MEASUREMENTS)}
    names = {row.measurement: row.is_seen for row in uow.execute(_NAMES, asked)}
    sent = _sent(uow, [name for name, is_seen in names.items() if is_seen])
    return [_known(name, sent.get(name)) for name in names]


def _sent(uow: UnitOfWork, names: Sequence[str]) -> dict[str, _Sent]:
    asked = {"organization_id": uow.organization_id, "names": list(names)}
    bounds = {"fields": FIELDS_PER_MEASUREMENT, "series": SERIES_LOOKED_AT}
    found: dict[str, _Sent] = {}
    for row in uow.execute(_FIELDS, {**asked, **bounds}):
        sent = found.setdefault(row.measurement, _Sent())
        sent.classes[row.field] = tuple(sorted(map(FieldClass, row.classes)))
        sent.tags.update(row.tags)
    return found


def _known(name: str, sent: _Sent | None) -> KnownMeasurement:
    """What is known of it first, then what was sent besides."""
    meaning = MEASUREMENTS.get(name)
    classes, others = ({}, set()) if sent is None else (sent.classes, sent.tags)
    tags = [] if meaning is None else [KnownTag(tag.name, tag.description, tag.values) for tag in meaning.tags]
    fields = (
        []
        if meaning is None
        else [
            KnownField(each.name, classes.get(each.name, each.classes), each.unit, each.unit_tag, each.description)
            for each in meaning.fields
        ]
    )
    tags += [KnownTag(tag, None, ()) for tag in sorted(others - {tag.name for tag in tags})]
    named = {each.name for each in fields}
    fields += [KnownField(each, found, None, None, None) for each, found in classes.items() if each not in named]
    return KnownMeasurement(
        name=name,
        is_seen=sent is not None,
        is_specified=meaning is not None,
        description=None if meaning is None else meaning.description,
        tags=tuple(tags),
        fields=tuple(fields),
    )
