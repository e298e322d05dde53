"""Evaluates due rules: claims them, asks the metric store, applies each answer in its own transaction."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Figure

from strata_core.alerting.evaluation import (
    Evaluated,
    apply_answer,
    apply_failure,
    claim_due_rules,
    query_of,
    recall_rules,
    release_rules,
    threshold_query_of,
)
from strata_core.context import Actor, ActorKind, Context
from strata_core.ports.metric_store import MetricStore
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_datamodel.alerting import DueRule
from strata_datamodel.errors import StrataError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import MetricAnswer

log = structlog.get_logger(__name__)
EVALUATOR = Actor(ActorKind.SYSTEM, None, "evaluator")


AT_ONCE: Final = 4
PER_ORGANIZATION: Final = AT_ONCE // 2
"""One organization's slow questions must leave room for everybody else's."""
_ROOM_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Answers:
    values: MetricAnswer
    thresholds: MetricAnswer | None


class Evaluator:
    """Starts evaluations and waits for none. No more is claimed than can be evaluated at once: what is claimed waits in
    no line, and whose turn it is, is decided when there is room."""

    def __init__(self, units: SystemUnitsOfWork, metric_store: MetricStore, registry: CollectorRegistry) -> None:
        self._units = units
        self._metric_store = metric_store
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="evaluation")
        self._ended = threading.Condition()
        self._under_way: Counter[OrganizationId] = Counter()
        self._evaluations = Figure(
            "strata_rule_evaluations", "Evaluations of alert rules, by result.", ["result"], registry=registry
        )

    def step(self) -> int:
        """Starts what is due; returns how many. With all places taken it waits for one."""
        with self._ended:
            self._ended.wait_for(lambda: self._room() > 0, _ROOM_WAIT_S)
            under_way, room = Counter(self._under_way), self._room()
        if room <= 0:
            return 0
        with self._units.system() as uow:
            due = claim_due_rules(uow, room, per_organization=PER_ORGANIZATION, under_way=under_way)
        for number, item in enumerate(due):
            if not self._start(item):
                with self._units.system() as uow:
                    release_rules(uow, due[number:])
                return number
        return len(due)

    def drain(self, timeout_s: float | None = None) -> bool:
        """Waits until nothing is under way; False when the time is over before."""
        with self._ended:
            return self._ended.wait_for(lambda: not self._under_way.total(), timeout_s)

    def close(self) -> None:
        """Waits for evaluations under way: nothing that was claimed is lost."""
        self._pool.shutdown()

    def recall(self) -> int:
        """After the clock was put back, rules would else wait until it is where it was."""
        with self._units.system() as uow:
            recalled = recall_rules(uow)
        if recalled:
            log.warning("rules_recalled", count=recalled)
        return 0

    def _room(self) -> int:
        return AT_ONCE - self._under_way.total()

    def _start(self, due: DueRule) -> bool:
        """False when the evaluator was closed meanwhile."""
        organization_id = OrganizationId(due.organization_id)
        with self._ended:
            self._under_way[organization_id] += 1
        try:
            self._pool.submit(self._evaluate, due)
        except RuntimeError:
            self._note_end(organization_id)
            return False
        return True

    def _note_end(self, organization_id: OrganizationId) -> None:
        with self._ended:
            self._under_way[organization_id] -= 1
            self._under_way += Counter()  # without those at zero: organizations come and go
            self._ended.notify_all()

    def _evaluate(self, due: DueRule) -> None:
        """One organization's rule, whatever is wrong with it, keeps no other waiting."""
        names = {"organization_id": str(due.organization_id), "rule": str(due.rule.rule_id)}
        try:
            self._apply(due, self._ask(due))
        except UnavailableError as error:
            # It is due again when its claim is over.
            log.warning("evaluation_put_off", **names, reason=error.detail)
        except Exception as error:
            self._evaluations.labels("failed").inc()
            if self._tell_failure(due, f"internal error: {type(error).__name__}", names):
                log.exception("evaluation_failed", **names)
        finally:
            self._note_end(OrganizationId(due.organization_id))

    def _tell_failure(self, due: DueRule, reason: str, names: dict[str, str]) -> bool:
        """Where its owner looks. Whether it is news to the operator."""
        try:
            return self._apply(due, reason).is_new
        except UnavailableError as error:
            log.warning("evaluation_put_off", **names, reason=error.detail)
        except Exception:
            # Nobody waits for this thread, who could tell.
            log.exception("evaluation_not_noted", **names)
        return True

    def _ask(self, due: DueRule) -> _Answers | str:
        """Or why there are none. A rule with one of two answers would know half of what it has to."""
        thresholds = threshold_query_of(due)
        try:
            values = self._metric_store.query(query_of(due))
            return _Answers(values, None if thresholds is None else self._metric_store.query(thresholds))
        except StrataError as error:
            return error.detail

    def _apply(self, due: DueRule, said: _Answers | str) -> Evaluated:
        organization_id = OrganizationId(due.organization_id)
        ctx = Context(
            organization_id, EVALUATOR, frozenset(), f"evaluation-{due.rule.rule_id}-{due.slot:%Y%m%dT%H%M%S}"
        )
        with self._units.organization(organization_id) as uow:
            if isinstance(said, str):
                done = apply_failure(ctx, uow, due, said)
            else:
                done = apply_answer(ctx, uow, due, said.values, said.thresholds)
        self._evaluations.labels(done.result).inc()
        if done.opened or done.resolved or done.is_new:
            log.info(
                "rule_evaluated",
                organization_id=str(organization_id),
                rule=str(due.rule.rule_id),
                result=done.result,
                opened=done.opened,
                resolved=done.resolved,
                reason=said if isinstance(said, str) else "",
            )
        return done
