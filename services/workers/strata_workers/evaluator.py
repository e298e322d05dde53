"""Evaluates due rules: claims them, asks the metric store, applies each answer in its own transaction."""

import structlog
from prometheus_client import CollectorRegistry, Counter

from strata_core.alerting.evaluation import apply_answer, apply_failure, claim_due_rules, query_of, recall_rules
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.alerting import DueRule
from strata_datamodel.errors import StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer

log = structlog.get_logger(__name__)
EVALUATOR = Actor(ActorKind.SYSTEM, None, "evaluator")


class Evaluator:
    def __init__(self, units: SystemUnitsOfWork, metric_store: MetricStore, registry: CollectorRegistry) -> None:
        self._units = units
        self._metric_store = metric_store
        self._evaluations = Counter(
            "strata_rule_evaluations", "Evaluations of alert rules, by result.", ["result"], registry=registry
        )

    def step(self) -> int:
        """One pass over what is due. Returns how many rules were evaluated."""
        with self._units.system() as uow:
            due = claim_due_rules(uow)
        for item in due:
            self._evaluate(item)
        return len(due)

    def recall(self) -> int:
        """After the clock was put back, rules would else wait until it is where it was."""
        with self._units.system() as uow:
            recalled = recall_rules(uow)
        if recalled:
            log.warning("rules_recalled", count=recalled)
        return 0

    def _evaluate(self, due: DueRule) -> None:
        """Raises UnavailableError only. One organization's rule, whatever is wrong with it, keeps no other waiting."""
        try:
            self._apply(due, *self._ask(due))
        except UnavailableError:
            raise
        except Exception as error:
            self._evaluations.labels("failed").inc()
            log.exception("evaluation_failed", organization_id=str(due.organization_id), rule=str(due.rule.rule_id))
            self._tell_failure(due, f"internal error: {type(error).__name__}")

    def _tell_failure(self, due: DueRule, reason: str) -> None:
        """Where its owner looks."""
        try:
            self._apply(due, None, reason)
        except UnavailableError:
            raise
        except Exception:
            log.exception("evaluation_not_noted", organization_id=str(due.organization_id), rule=str(due.rule.rule_id))

    def _ask(self, due: DueRule) -> tuple[MetricAnswer | None, str]:
        try:
            return self._metric_store.query(query_of(due)), ""
        except StrataError as error:
            return None, error.detail

    def _apply(self, due: DueRule, answer: MetricAnswer | None, failure: str) -> None:
        organization_id = OrganizationId(due.organization_id)
        ctx = Context(
            organization_id, EVALUATOR, frozenset(), f"evaluation-{due.rule.rule_id}-{due.slot:%Y%m%dT%H%M%S}"
        )
        with self._units.organization(organization_id) as uow:
            done = apply_failure(ctx, uow, due, failure) if answer is None else apply_answer(ctx, uow, due, answer)
        self._evaluations.labels(done.result).inc()
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
