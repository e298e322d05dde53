"""Whether the store understands a rule's patterns, asked before the rule is kept and not at each evaluation."""

from dataclasses import replace

from strata_core.alerting.drafts import RuleDraft
from strata_core.alerting.questions import question_of
from strata_core.ports.metric_store import MetricStore
from strata_datamodel.errors import DeadlineError, InvalidError, LimitError, Problem, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import Aggregate, FilterOp, TagFilter

_PATTERNS = (FilterOp.MATCH, FilterOp.NO_MATCH)


def require_known_patterns(metric_store: MetricStore, organization_id: OrganizationId, draft: RuleDraft) -> None:
    """Of a checked draft. Raises InvalidError (code `bad_rule`) that names each pattern which is none: only the store
    knows its dialect. One that cannot be asked now is no reason to refuse a rule; the evaluation says it then."""
    problems = []
    for number, item in enumerate(draft.condition.filters):
        if item.op in _PATTERNS:
            said = _refusal(metric_store, organization_id, draft, TagFilter(item.tag, FilterOp(item.op), item.values))
            problems += [Problem(f"/condition/filters/{number}/values", said)] if said else []
    if problems:
        raise InvalidError("the rule cannot work as it is", code="bad_rule", problems=problems)


def _refusal(
    metric_store: MetricStore, organization_id: OrganizationId, draft: RuleDraft, pattern: TagFilter
) -> str | None:
    question = question_of(draft.condition, organization_id, end_s=draft.condition.window_s)
    one_instant = replace(question, filters=(pattern,), group_by=(), to_ns=question.from_ns + 1)
    try:
        metric_store.query(replace(one_instant, aggregate=Aggregate.COUNT, percentile=None))
    except InvalidError as error:
        return error.detail if error.code == "bad_regex" else None
    except (UnavailableError, DeadlineError, LimitError):
        return None
    return None
