"""What a rule asks the metric store."""

from strata_datamodel.alerting import Condition
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FilterOp, MetricQuery, TagFilter

_SECOND_NS = 1_000_000_000


def question_of(condition: Condition, organization_id: OrganizationId, end_s: int) -> MetricQuery:
    """Over the window that ends at `end_s`, in Unix seconds."""
    percentile = percentile_of(condition.aggregate)
    return MetricQuery(
        organization_id=organization_id,
        measurement=condition.measurement,
        field=condition.field,
        aggregate=Aggregate.PERCENTILE if percentile is not None else Aggregate(condition.aggregate),
        percentile=percentile,
        from_ns=(end_s - condition.window_s) * _SECOND_NS,
        to_ns=end_s * _SECOND_NS,
        filters=tuple(TagFilter(item.tag, FilterOp(item.op), item.values) for item in condition.filters),
        group_by=condition.group_by,
    )


def percentile_of(aggregate: str) -> float | None:
    """p1 to p99, or None when it is not a percentile."""
    digits = aggregate.removeprefix("p")
    if aggregate.startswith("p") and digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 99:
        return float(digits)
    return None
