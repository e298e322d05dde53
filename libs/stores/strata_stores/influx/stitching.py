"""One answer from several tiers: what each stretch says of a window is put together, and only then told."""

from collections.abc import Callable
from typing import Final

from strata_core.metrics.rules import FIELD_CLASS_ORDER, check_class
from strata_datamodel.metrics import Aggregate, FieldClass, MetricAnswer, MetricQuery
from strata_datamodel.tiers import Tier
from strata_stores.influx.answering import AnswerLimits, Ask, Label, Windows, answer_of
from strata_stores.influx.influxql import Bindings, Place, field_keys, has_values
from strata_stores.influx.names import Column, field_of, field_of_count, physical_field, window_field
from strata_stores.influx.stitched_folds import stitched_ends, stitched_folds
from strata_stores.influx.stitched_spreads import stitched_percentiles, stitched_rates

Stitch = Callable[[Ask, str, MetricQuery, FieldClass, AnswerLimits], dict[Label, Windows]]

_STITCHES: Final[dict[Aggregate, Stitch]] = {
    Aggregate.COUNT: stitched_folds,
    Aggregate.SUM: stitched_folds,
    Aggregate.AVG: stitched_folds,
    Aggregate.MIN: stitched_folds,
    Aggregate.MAX: stitched_folds,
    Aggregate.FIRST: stitched_ends,
    Aggregate.LAST: stitched_ends,
    Aggregate.RATE: stitched_rates,
    Aggregate.INCREASE: stitched_rates,
    Aggregate.PERCENTILE: stitched_percentiles,
}


def stitched(ask: Ask, database: str, query: MetricQuery, limits: AnswerLimits) -> MetricAnswer:
    """Asks for numbers right away, as `answer` does."""
    stitch = _STITCHES[query.aggregate]  # what windows do not tell was refused by the rules
    groups = stitch(ask, database, query, FieldClass.NUMBER, limits)
    if not groups:
        field_class = _class_there_is(ask, database, query)
        check_class(query.aggregate, field_class)
        if field_class is not FieldClass.NUMBER:
            groups = stitch(ask, database, query, field_class, limits)
    return answer_of(groups, query)


def _class_there_is(ask: Ask, database: str, query: MetricQuery) -> FieldClass:
    """Numbers if there are any in the store, or nothing else."""
    named = _classes_named(ask, database, query)
    for field_class in FIELD_CLASS_ORDER:
        if field_class in named and named != {FieldClass.NUMBER} and _has_any(ask, database, query, field_class):
            return field_class
    return FieldClass.NUMBER


def _classes_named(ask: Ask, database: str, query: MetricQuery) -> set[FieldClass]:
    tiers = tuple(Tier)
    found = set()
    places = [Place(database, tier) for tier in tiers]
    with ask([field_keys(place, query.measurement) for place in places], Bindings()) as parts:
        for part in parts:
            read = field_of if tiers[part.statement] is Tier.RAW else field_of_count
            fields = (read(str(row[0])) for row in part.values)
            found |= {each[1] for each in fields if each is not None and each[0] == query.field}
    return found


def _has_any(ask: Ask, database: str, query: MetricQuery, field_class: FieldClass) -> bool:
    bindings = Bindings()
    counted = window_field(query.field, field_class, Column.COUNT)
    statements = [
        has_values(
            Place(database, tier),
            query,
            physical_field(query.field, field_class) if tier is Tier.RAW else counted,
            bindings,
        )
        for tier in Tier
    ]
    with ask(statements, bindings) as parts:
        found = [part.values for part in parts]  # to the end: an answer may break off
    return any(found)
