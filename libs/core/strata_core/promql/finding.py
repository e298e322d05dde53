"""Series by matchers, out of the catalogue of the organization that the unit of work is bound to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, func, not_, or_, select, text, tuple_

from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.promql.matrix import Labels
from strata_core.promql.names import MARKED_FIELDS, is_shown, is_tag_of_its_own, labels_of_series, metric_name
from strata_core.promql.selectors import chosen
from strata_core.promql.syntax import NAME, Matcher, MatchOp
from strata_core.series.selecting import series_selected
from strata_datamodel.errors import LimitError
from strata_datamodel.limits import PROMQL_LISTED, PROMQL_SERIES
from strata_datamodel.metrics import FieldClass, SeriesKey
from strata_datamodel.tables.series import metric_series

# Each pair is a step in the index, however many series it has.
_PAIRS: Final = text("""
    WITH RECURSIVE sent (measurement, field, place) AS (
        (SELECT measurement, field, 1 FROM metric_series WHERE organization_id = :organization_id
         ORDER BY measurement, field LIMIT 1)
        UNION ALL
        SELECT following.measurement, following.field, sent.place + 1
        FROM sent, LATERAL (
            SELECT s.measurement, s.field FROM metric_series s WHERE s.organization_id = :organization_id
            AND (s.measurement, s.field) > (sent.measurement, sent.field)
            ORDER BY s.measurement, s.field LIMIT 1) following
        WHERE place < :limit)
    SELECT measurement, field FROM sent
""")
_NAMED_ONE_BY_ONE: Final = 1_000
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """Series as they are told apart by labels, each with what is kept of it: one a type class, as a rule one."""

    labels: Sequence[Labels]
    keys: Sequence[Sequence[SeriesKey]]
    warnings: tuple[str, ...] = ()


def found_series(
    uow: UnitOfWork, matchers: Sequence[Matcher], pairs: Sequence[Pair], limit: int = PROMQL_SERIES
) -> Found:
    """In the order of their labels, of those that `pairs_sent` tells. Raises LimitError (code `query_series`),
    InvalidError (code `bad_regex`)."""
    named = [each for each in matchers if each.label == NAME]
    others = [each for each in matchers if each.label != NAME]
    wanted = [_holds_samples(), *(one for each in others if (one := _condition(each)) is not None)]
    if named:
        meant = _chosen_pairs(pairs, named)
        if not meant:
            return Found([], [])
        if len(meant) <= _NAMED_ONE_BY_ONE:
            wanted.append(tuple_(metric_series.c.measurement, metric_series.c.field).in_(meant))
    # Some are texts of the same series, and some are only told apart from those that are meant below.
    keys = [key for key in series_selected(uow, wanted, (), limit=2 * limit) if is_shown(key)]
    found = _grouped([(labels_of_series(key), key) for key in keys], matchers)
    if len(found.labels) > limit:
        raise LimitError(
            f"the selector finds more than {limit} series", code="query_series", hint="name more of their labels"
        )
    return found


def pairs_sent(uow: UnitOfWork) -> list[Pair]:
    """Measurements with their fields. Raises LimitError (code `query_names`)."""
    parameters = {"organization_id": uow.organization_id, "limit": PROMQL_LISTED + 1}
    pairs = [(row.measurement, row.field) for row in uow.execute(_PAIRS, parameters)]
    if len(pairs) > PROMQL_LISTED:
        raise LimitError(
            f"more than {PROMQL_LISTED} pairs of measurement and field",
            code="query_names",
            hint="a name or a field that is made of an id should be a tag's value",
        )
    return pairs


def tags_sent(uow: UnitOfWork) -> list[str]:
    statement = (
        select(func.jsonb_object_keys(metric_series.c.tags))
        .distinct()
        .where(metric_series.c.organization_id == uow.organization_id)
        .limit(PROMQL_LISTED)
    )
    return list(uow.execute(statement).scalars())


def values_sent(uow: UnitOfWork, tags: Sequence[str]) -> list[str]:
    values: set[str] = set()
    for tag in tags:
        value = metric_series.c.tags[tag].astext
        statement = (
            select(value)
            .distinct()
            .where(metric_series.c.organization_id == uow.organization_id, metric_series.c.tags.has_key(tag))
            .limit(PROMQL_LISTED)
        )
        values.update(uow.execute(statement).scalars())
    return sorted(values)


def _chosen_pairs(pairs: Sequence[Pair], named: Sequence[Matcher]) -> list[Pair]:
    names = [metric_name(*pair) for pair in pairs]
    fitting = [True] * len(pairs)
    for matcher in named:
        fitting = [one and other for one, other in zip(fitting, chosen(matcher, names), strict=True)]
    return [pair for pair, fits in zip(pairs, fitting, strict=True) if fits]


def _holds_samples() -> ColumnElement[bool]:
    is_text = metric_series.c.field_class == FieldClass.STRING.value
    return or_(not_(is_text), metric_series.c.field.in_(MARKED_FIELDS))


def _condition(matcher: Matcher) -> ColumnElement[bool] | None:
    """What PostgreSQL can rule out: of labels that several tags may be shown under, the tag of that name only."""
    if matcher.op is not MatchOp.EQUAL or not matcher.value:
        return None
    tags = metric_series.c.tags
    is_it = tags.contains({matcher.label: matcher.value})
    return is_it if is_tag_of_its_own(matcher.label) else or_(is_it, not_(tags.has_key(matcher.label)))


def _grouped(series: list[tuple[Labels, SeriesKey]], matchers: Sequence[Matcher]) -> Found:
    for matcher in matchers:
        fitting = chosen(matcher, [dict(labels).get(matcher.label, "") for labels, _ in series])
        series = [each for each, fits in zip(series, fitting, strict=True) if fits]
    keys: dict[Labels, list[SeriesKey]] = {}
    hidden: dict[Labels, SeriesKey] = {}
    for labels, key in sorted(series, key=lambda each: each[0]):
        known = keys.setdefault(labels, [])
        if known and (known[0].measurement, known[0].field, known[0].tags) != (key.measurement, key.field, key.tags):
            hidden[labels] = key
        else:
            known.append(key)
    return Found(list(keys), list(keys.values()), tuple(_told(keys[labels][0], key) for labels, key in hidden.items()))


def _told(shown: SeriesKey, hidden: SeriesKey) -> str:
    name = metric_name(shown.measurement, shown.field)
    return (
        f"{name}: field {hidden.field!r} of {hidden.measurement!r} has the labels of field {shown.field!r} of "
        f"{shown.measurement!r}, and is left out"
    )
