"""Answers of a metric store in a shape that compares well."""

from contract.metric_reference import Answer
from factories.point_batches import MINUTE, question
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, MetricQuery

BASE = 1_763_640_000 * 1_000_000_000
"""An instant on a full hour."""


def whole_range(organization_id: OrganizationId, aggregate: Aggregate, **options) -> MetricQuery:
    return question(organization_id, BASE, BASE + 60 * MINUTE, aggregate, **options)


def answered(store: MetricStore, query: MetricQuery) -> Answer:
    answer = store.query(query)
    assert all(tuple(series.tags) == query.group_by for series in answer.series)
    return {tuple(series.tags.values()): list(series.points) for series in answer.series}
