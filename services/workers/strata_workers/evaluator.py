"""Evaluates due rules: claims them, asks the metric store, applies each answer in its own transaction."""

import structlog

from strata_core.alerting.evaluation import apply_answer, apply_failure, claim_due_rules, query_of
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.alerting import DueRule
from strata_datamodel.errors import StrataError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer

log = structlog.get_logger(__name__)
EVALUATOR = Actor(ActorKind.SYSTEM, None, "evaluator")


class Evaluator:
    def __init__(self, units: SystemUnitsOfWork, metric_store: MetricStore) -> None:
        self._units = units
        self._metric_store = metric_store

    def step(self) -> int:
        """One pass over what is due. Returns how many rules were evaluated."""
        with self._units.system() as uow:
            due = claim_due_rules(uow)
        for item in due:
            self._evaluate(item)
        return len(due)

    def _evaluate(self, due: DueRule) -> None:
        organization_id = OrganizationId(due.organization_id)
        ctx = Context(
            organization_id, EVALUATOR, frozenset(), f"evaluation-{due.rule.rule_id}-{due.slot:%Y%m%dT%H%M%S}"
        )
        answer, failure = self._ask(due)
        with self._units.organization(organization_id) as uow:
            done = apply_failure(ctx, uow, due, failure) if answer is None else apply_answer(ctx, uow, due, answer)
        if done.opened or done.resolved or failure:
            log.info(
                "rule_evaluated",
                organization_id=str(organization_id),
                rule=str(due.rule.rule_id),
                result=done.result,
                opened=done.opened,
                resolved=done.resolved,
                reason=failure,
            )

    def _ask(self, due: DueRule) -> tuple[MetricAnswer | None, str]:
        try:
            return self._metric_store.query(query_of(due)), ""
        except StrataError as error:
            return None, error.detail
