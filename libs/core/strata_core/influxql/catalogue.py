"""What an organization's series have: their measurements, fields, tags. From PostgreSQL alone."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, text, true

from strata_core.influxql.columns import KIND_OF
from strata_core.influxql.refusals import not_supported, too_much
from strata_core.influxql.syntax import Measurement
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.series.selecting import matches, series_selected
from strata_datamodel.limits import INFLUXQL_SERIES, QUERY_POINTS
from strata_datamodel.metrics import FieldClass, SeriesKey, TagFilter
from strata_datamodel.tables.series import metric_series
from strata_datamodel.tiers import Tier

# Each name is a step in the index, however many series it has.
_NAMES: Final = text("""
    WITH RECURSIVE sent (measurement) AS (
        (SELECT measurement FROM metric_series WHERE organization_id = :organization_id ORDER BY measurement LIMIT 1)
        UNION ALL
        SELECT (SELECT s.measurement FROM metric_series s WHERE s.organization_id = :organization_id
                AND s.measurement > sent.measurement ORDER BY s.measurement LIMIT 1)
        FROM sent WHERE measurement IS NOT NULL)
    SELECT measurement FROM sent WHERE measurement IS NOT NULL
""")
_FIELDS: Final = text("""
    SELECT asked.measurement, fields.field,
        CASE WHEN EXISTS (SELECT FROM metric_series s WHERE s.organization_id = :organization_id
                AND s.measurement = asked.measurement AND s.field = fields.field AND s.field_class = 'number')
            THEN 'number'
        WHEN EXISTS (SELECT FROM metric_series s WHERE s.organization_id = :organization_id
                AND s.measurement = asked.measurement AND s.field = fields.field AND s.field_class = 'boolean')
            THEN 'boolean' ELSE 'string' END AS field_class
    FROM unnest(CAST(:names AS text[])) asked (measurement),
    LATERAL (
        WITH RECURSIVE sent (field) AS (
            (SELECT s.field FROM metric_series s WHERE s.organization_id = :organization_id
             AND s.measurement = asked.measurement ORDER BY s.field LIMIT 1)
            UNION ALL
            SELECT (SELECT s.field FROM metric_series s WHERE s.organization_id = :organization_id
                    AND s.measurement = asked.measurement AND s.field > sent.field ORDER BY s.field LIMIT 1)
            FROM sent WHERE field IS NOT NULL)
        SELECT field FROM sent WHERE field IS NOT NULL) fields
""")
POLICIES: Final = frozenset({"", "autogen", *(tier.value for tier in Tier)})
"""Names of retention policies that are taken. They choose nothing: which tier answers follows from the range."""


@dataclass(frozen=True, slots=True)
class Table:
    """A measurement, and the one class that answers for each of its fields."""

    name: str
    fields: Mapping[str, FieldClass]

    def kind(self, field: str) -> str | None:
        found = self.fields.get(field)
        return None if found is None else KIND_OF[found]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Of one organization, as `unit` is bound to it. `database` is what the request calls its data."""

    unit: Callable[[], AbstractContextManager[UnitOfWork]]
    database: str

    def check_name(self, source: Measurement) -> None:
        """A qualified name leads nowhere else. Raises QueryError."""
        if source.database and source.database != self.database:
            raise not_supported(f"another database than the request's ({source.database})")
        if source.policy not in POLICIES:
            raise not_supported(f"the retention policy {source.policy}")

    def measurements(self, sources: Sequence[Measurement]) -> list[str]:
        """Those that are there, in order; all for no source. Raises QueryError, InvalidError (code `bad_regex`)."""
        for source in sources:
            self.check_name(source)
        named = [each for each in sources if each.name or each.pattern is not None]
        with self.unit() as uow:
            names = list(uow.execute(_NAMES, {"organization_id": uow.organization_id}).scalars())
        if not named:
            return sorted(names)
        wanted = {each.name for each in named if each.name}
        for each in named:
            if each.pattern is not None:
                found = matches(each.pattern, names)
                wanted |= {name for name, is_meant in zip(names, found, strict=True) if is_meant}
        return sorted(wanted & set(names))

    def tables(self, sources: Sequence[Measurement]) -> list[Table]:
        """Those that are there, in order."""
        for source in sources:
            self.check_name(source)
        is_named = sources and all(each.name for each in sources)
        names = sorted({each.name for each in sources}) if is_named else self.measurements(sources)
        with self.unit() as uow:
            rows = uow.execute(_FIELDS, {"organization_id": uow.organization_id, "names": names}).all()
        found: dict[str, dict[str, FieldClass]] = {}
        for row in rows:
            found.setdefault(row.measurement, {})[row.field] = FieldClass(row.field_class)
        return [Table(name, found[name]) for name in sorted(found)]

    def tag_keys(self, names: Sequence[str]) -> Mapping[str, set[str]]:
        key = func.jsonb_object_keys(metric_series.c.tags).label("tag")
        statement = select(metric_series.c.measurement, key).distinct().where(metric_series.c.measurement.in_(names))
        found: defaultdict[str, set[str]] = defaultdict(set)
        with self.unit() as uow:
            for row in uow.execute(statement.where(metric_series.c.organization_id == uow.organization_id)):
                found[row.measurement].add(row.tag)
        return found

    def tag_values(self, names: Sequence[str], keys: Collection[str]) -> list[tuple[str, str, str]]:
        """Measurement, key and value, in no order. Raises LimitError."""
        pair = func.jsonb_each_text(metric_series.c.tags).table_valued("key", "value").lateral("pair")
        statement = (
            select(metric_series.c.measurement, pair.c.key, pair.c.value)
            .select_from(metric_series.join(pair, true()))
            .where(metric_series.c.measurement.in_(names), pair.c.key.in_(keys))
            .distinct()
            .limit(QUERY_POINTS + 1)
        )
        with self.unit() as uow:
            rows = uow.execute(statement.where(metric_series.c.organization_id == uow.organization_id)).all()
        if len(rows) > QUERY_POINTS:
            raise too_much("values of an answer", QUERY_POINTS, "name the measurement, and fewer keys")
        return [(row.measurement, row.key, row.value) for row in rows]

    def series(
        self,
        name: str,
        fields: Sequence[str] | None = None,
        filters: Sequence[TagFilter] = (),
        limit: int = INFLUXQL_SERIES,
    ) -> list[SeriesKey]:
        """Raises LimitError (code `query_series`)."""
        wanted = [metric_series.c.measurement == name]
        if fields is not None:
            wanted.append(metric_series.c.field.in_(fields))
        with self.unit() as uow:
            return series_selected(uow, wanted, filters, limit=limit)
