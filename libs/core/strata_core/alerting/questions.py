"""What a rule asks the metric store."""

from dataclasses import replace

from strata_datamodel.alerting import Condition
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import FilterOp, MetricQuery, TagFilter, aggregate_named

_SECOND_NS = 1_000_000_000


def question_of(condition: Condition, organization_id: OrganizationId, end_s: int) -> MetricQuery:
    """Over the window that ends at `end_s`, in Unix seconds."""
    found = aggregate_named(condition.aggregate)
    if found is None:  # a draft is checked before it is kept
        raise InvalidError("this aggregate is not known", code="bad_aggregate")
    aggregate, percentile = found
    return MetricQuery(
        organization_id=organization_id,
        measurement=condition.measurement,
        field=condition.field,
        aggregate=aggregate,
        percentile=percentile,
        from_ns=(end_s - condition.window_s) * _SECOND_NS,
        to_ns=end_s * _SECOND_NS,
        filters=tuple(TagFilter(item.tag, FilterOp(item.op), item.values) for item in condition.filters),
        group_by=condition.group_by,
    )


def threshold_question_of(condition: Condition, organization_id: OrganizationId, end_s: int) -> MetricQuery | None:
    """The same of the field that holds the threshold, where one does: of one window, the two answers belong together,
    whenever they are asked for."""
    if condition.threshold_field is None:
        return None
    return replace(question_of(condition, organization_id, end_s), field=condition.threshold_field)
