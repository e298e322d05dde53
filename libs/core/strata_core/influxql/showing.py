"""SHOW statements: what the catalogue of series tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from strata_core.influxql.catalogue import Catalogue
from strata_core.influxql.columns import KIND_OF
from strata_core.influxql.conditions import split_condition
from strata_core.influxql.pushing import sure_filters
from strata_core.influxql.refusals import QueryError
from strata_core.influxql.rows import possibly_meets
from strata_core.influxql.syntax import Expr, Measurement, Show, refs
from strata_core.series.selecting import matches
from strata_datamodel.metrics import Tags
from strata_datamodel.tiers import KEPT_NS, Tier

_HOUR_NS: Final = 3_600_000_000_000
_SHARD_HOURS: Final = {Tier.RAW: 24, Tier.MINUTE: 24, Tier.FIVE_MINUTES: 24, Tier.HOUR: 168}


@dataclass(frozen=True, slots=True)
class Listed:
    """A series of an answer that is no points. `name` is empty where there is none."""

    name: str
    columns: tuple[str, ...]
    values: list[list[object]]


def shown(show: Show, catalogue: Catalogue, now_ns: int) -> list[Listed]:  # noqa: PLR0911 - one a kind
    """Raises QueryError, LimitError."""
    condition, times = split_condition(show.condition, now_ns)
    for source in show.sources:
        catalogue.check_name(source)
    match show.what:
        case "DATABASES":
            return [Listed("databases", ("name",), [[catalogue.database]])]
        case "RETENTION POLICIES":
            return [_policies()]
        case "MEASUREMENTS":
            if times.first_ns is not None or times.last_ns is not None:
                raise QueryError("SHOW MEASUREMENTS doesn't support time in WHERE clause")
            return _measurements(show, catalogue, condition)
        case "FIELD KEYS":
            return _field_keys(show, catalogue)
        case "TAG KEYS":
            return _tag_keys(show, catalogue, condition)
        case "TAG VALUES":
            return _tag_values(show, catalogue, condition)
        case _:
            return _series(show, catalogue, condition)


def _policies() -> Listed:
    columns = ("name", "duration", "shardGroupDuration", "replicaN", "default")
    rows: list[list[object]] = [
        [tier.value, f"{KEPT_NS[tier] // _HOUR_NS}h0m0s", f"{_SHARD_HOURS[tier]}h0m0s", 1, tier is Tier.RAW]
        for tier in Tier
    ]
    return Listed("", columns, rows)


def _measurements(show: Show, catalogue: Catalogue, condition: Expr | None) -> list[Listed]:
    names = catalogue.measurements(show.sources)
    if condition is not None:
        names = [name for name in names if any(True for _ in _matching(catalogue, name, condition))]
    rows: list[list[object]] = [[name] for name in names]
    return _page("measurements", ("name",), rows, show)


def _field_keys(show: Show, catalogue: Catalogue) -> list[Listed]:
    found = []
    for table in catalogue.tables(show.sources):
        rows: list[list[object]] = [[name, KIND_OF[table.fields[name]]] for name in sorted(table.fields)]
        found += _page(table.name, ("fieldKey", "fieldType"), rows, show)
    return found


def _tag_keys(show: Show, catalogue: Catalogue, condition: Expr | None) -> list[Listed]:
    names = catalogue.measurements(show.sources)
    if condition is None:
        keys = catalogue.tag_keys(names)
    else:
        keys = {name: {tag for tags in _matching(catalogue, name, condition) for tag, _ in tags} for name in names}
    found = []
    for name in names:
        rows: list[list[object]] = [[key] for key in sorted(keys.get(name, ()))]
        found += _page(name, ("tagKey",), rows, show)
    return found


def _tag_values(show: Show, catalogue: Catalogue, condition: Expr | None) -> list[Listed]:
    names = catalogue.measurements(show.sources)
    keys = _wanted(show, {key for found in catalogue.tag_keys(names).values() for key in found})
    if condition is None:
        triples = set(catalogue.tag_values(names, keys))
    else:
        triples = {
            (name, key, value)
            for name in names
            for tags in _matching(catalogue, name, condition)
            for key, value in tags
            if key in keys
        }
    found = []
    for name in names:
        rows: list[list[object]] = [[key, value] for _, key, value in sorted(t for t in triples if t[0] == name)]
        found += _page(name, ("key", "value"), rows, show)
    return found


def _wanted(show: Show, keys: set[str]) -> set[str]:
    match show.key_op:
        case "=" | "IN":
            return keys & set(show.keys)
        case "!=":
            return keys - set(show.keys)
        case _:
            listed = sorted(keys)
            found = {key for key, is_meant in zip(listed, matches(show.keys[0], listed), strict=True) if is_meant}
            return found if show.key_op == "=~" else keys - found


def _series(show: Show, catalogue: Catalogue, condition: Expr | None) -> list[Listed]:
    found = set()
    for name in catalogue.measurements(show.sources):
        found |= {_written(name, tags) for tags in _matching(catalogue, name, condition)}
    rows: list[list[object]] = [[key] for key in sorted(found)]
    return _page("", ("key",), rows, show)


def _matching(catalogue: Catalogue, name: str, condition: Expr | None) -> Iterator[Tags]:
    """Tags of each series that a condition may be true of, whatever its fields say."""
    tables = catalogue.tables([Measurement(name)]) if refs(condition) else []
    fields = frozenset(field for table in tables for field in table.fields)
    keys = catalogue.series(name, None, sure_filters(condition, tables))
    for tags in dict.fromkeys(key.tags for key in keys):
        if possibly_meets(condition, dict(tags), fields):
            yield tags


def _written(name: str, tags: Tags) -> str:
    """As in line protocol."""
    parts = [_escaped(name, ", ")]
    parts += [f"{_escaped(key, ', =')}={_escaped(value, ', =')}" for key, value in tags]
    return ",".join(parts)


def _escaped(text: str, special: str) -> str:
    return "".join("\\" + char if char in special else char for char in text)


def _page(name: str, columns: tuple[str, ...], rows: list[list[object]], show: Show) -> list[Listed]:
    rows = rows[show.offset : show.offset + show.limit] if show.limit else rows[show.offset :]
    return [Listed(name, columns, rows)] if rows else []
