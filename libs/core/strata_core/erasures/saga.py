"""The saga that erases: waits for what was accepted before, counts, forgets store by store, counts again, and signs
what it found.

What was to be forgotten stands in the saga's intents while it runs, and nowhere when it is done.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import null, select, update

from strata_core.context import Context
from strata_core.erasures import relational, searched, settling
from strata_core.erasures.rules import ErasureKind, Selector, events_of, selector_from, subject_digest, tags_of
from strata_core.listing.pages import oldest_first
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_core.receipts.commands import keep_receipt
from strata_core.receipts.documents import SignedReceipt, canonical, instant, signed
from strata_core.rollups import awaiting
from strata_core.sagas.definitions import Json, LocalStep, PutStep, Saga, SagaDefinition, nothing_to_undo
from strata_core.sagas.tools import SagaTools
from strata_datamodel.ids import OrganizationId
from strata_datamodel.metrics import TagPair
from strata_datamodel.tables.erasing import erasures
from strata_datamodel.tables.sagas import saga_steps
from strata_datamodel.tables.series import metric_series

RECEIPT_KIND: Final = "erasure"
DONE: Final = "erasure.done"
_LONG: Final = timedelta(minutes=30)
_ROUNDS: Final = 3
_WHY_KEPT: Final = {
    "audit_log": "the audit log is evidence that must stay as it was written; it goes with its organization",
    "dead_letters": "they cannot be decompressed or put together, so nobody can tell what they hold",
    "series_of_texts": "no store can look into the values of metrics that are texts; they may hold it",
}
_SERIES_AT_ONCE: Final = 5_000


def describe(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    selector = _selector(uow, saga)
    return {
        "organization_id": str(uow.organization_id),
        "selector": selector.document(),
        "tags": [list(pair) for pair in _tags_found(uow, selector)],
    }


def count_stores(tools: SagaTools, intent: Json) -> Json:
    organization_id, selector, tags = _read(intent)
    tools.log_store.refresh()
    return {
        "logs": tools.log_store.count_matching(organization_id, events_of(selector)),
        "metrics": tools.metric_store.count_matching(organization_id, tags),
        "search": searched.count_found(tools, organization_id, selector),
    }


def count_rows(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    selector, tags = _selector(uow, saga), _tags(saga)
    return {
        "rows": relational.count_rows(uow, selector, tags),
        "audit_log_kept": relational.count_kept(uow, selector),
        "unsearched": relational.count_unsearched(uow, selector),
    }


def erase_logs(tools: SagaTools, intent: Json) -> Json:
    organization_id, selector, _ = _read(intent)
    tools.log_store.refresh()
    tools.log_store.delete_matching(organization_id, events_of(selector))
    return None


def erase_metrics(tools: SagaTools, intent: Json) -> Json:
    organization_id, _, tags = _read(intent)
    tools.metric_store.delete_matching(organization_id, tags)
    return None


def forget_rows(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    relational.forget_rows(uow, _erasure_id(saga), _selector(uow, saga), _tags(saga))


def project_alerts(tools: SagaTools, intent: Json) -> Json:
    organization_id, selector, _ = _read(intent)
    searched.project(tools, organization_id, selector)
    return None


def empty_cache(tools: SagaTools, intent: Json) -> Json:
    """All of the organization's: an answer does not say what it was made from. And what is kept of a person, under
    their own id."""
    organization_id, selector, _ = _read(intent)
    keys = tools.cache.forget(organization_id)
    if selector.user_id is not None:
        keys += tools.cache.forget(OrganizationId(selector.user_id))
    return {"cache": keys}


def count_residue(tools: SagaTools, intent: Json) -> Json:
    """What came in meanwhile is erased too, a few times: something that goes on sending is not stopped by this, and the
    receipt then says so."""
    for _ in range(_ROUNDS):
        left = count_stores(tools, intent)
        if not any(left.values()):
            break
        erase_logs(tools, intent)
        erase_metrics(tools, intent)
        project_alerts(tools, intent)
    return count_stores(tools, intent)


def count_rows_left(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    selector, tags = _selector(uow, saga), _tags(saga)
    if relational.count_rows(uow, selector, tags):
        relational.forget_rows(uow, _erasure_id(saga), selector, tags)
    return {"rows": relational.count_rows(uow, selector, tags)}


def write_receipt(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    row = uow.execute(select(erasures).where(erasures.c.id == _erasure_id(saga))).one()
    done, receipt_id = saga.outputs, str(new_id(uow))
    document: dict[str, object] = {
        "receipt_id": receipt_id,
        "kind": RECEIPT_KIND,
        "erasure": {
            "id": str(row.id),
            "kind": row.kind,
            "reason": row.reason,
            "subject_sha256": subject_digest(row.id, selector_from(row.selector)),
        },
        "organization_id": str(uow.organization_id),
        "requested_by": row.requested_by,
        "requested_at": instant(row.created_at),
        "completed_at": instant(uow.now()),
        "saga_id": str(saga.id),
        "before": {**done["count-stores"], **done["empty-cache"], "rows": done["count-rows"]["rows"]},
        "after": {**done["count-residue"], "rows": done["count-rows-left"]["rows"]},
        "spools": settling.settled(saga),
    }
    kept = {"audit_log": done["count-rows"]["audit_log_kept"], **done["count-rows"]["unsearched"]}
    if told := [{"what": what, "rows": rows, "why": _WHY_KEPT[what]} for what, rows in kept.items() if rows]:
        document["kept"] = told
    return {"receipt_id": receipt_id, "content": canonical(document).decode("ascii")}


def sign_receipt(tools: SagaTools, intent: Json) -> Json:
    made = signed(intent["content"].encode("ascii"), tools.signer)
    return {**intent, "public_key": made.public_key, "signature": made.signature.hex()}


def keep(_: Context, uow: UnitOfWork, saga: Saga) -> Json:
    output, erasure_id = saga.outputs["sign-receipt"], _erasure_id(saga)
    content, signature = output["content"].encode("ascii"), bytes.fromhex(output["signature"])
    receipt_id = UUID(output["receipt_id"])
    keep_receipt(uow, receipt_id, RECEIPT_KIND, SignedReceipt(content, output["public_key"], signature))
    here = (erasures.c.organization_id == uow.organization_id, erasures.c.id == erasure_id)
    uow.execute(update(erasures).where(*here).values(selector=None, receipt_id=receipt_id, done_at=uow.now()))
    steps = (saga_steps.c.organization_id == uow.organization_id, saga_steps.c.saga_id == saga.id)
    uow.execute(update(saga_steps).where(*steps).values(intent=null()))
    uow.execute(update(saga_steps).where(*steps, saga_steps.c.name == "find").values(output=null()))
    append(uow, Event(DONE, 1, "erasure", erasure_id, {"receipt_id": str(receipt_id)}))


def _tags_found(uow: UnitOfWork, selector: Selector) -> list[TagPair]:
    if selector.kind is not ErasureKind.PERSON:
        return tags_of(selector, ())
    return list(dict.fromkeys(pair for page in _known_tags(uow) for pair in tags_of(selector, page)))


def _known_tags(uow: UnitOfWork) -> Iterator[list[TagPair]]:
    """In pages: an organization may have millions of series, and no statement may take long."""
    s, after = metric_series.c, None
    while True:
        wanted = select(s.id, s.tags).where(s.organization_id == uow.organization_id)
        rows = uow.execute(oldest_first(wanted, s.id, after=after, limit=_SERIES_AT_ONCE)).all()
        yield list({pair for row in rows for pair in row.tags.items()})
        if len(rows) < _SERIES_AT_ONCE:
            return
        after = rows[-1].id


def _selector(uow: UnitOfWork, saga: Saga) -> Selector:
    wanted = select(erasures.c.selector).where(erasures.c.id == _erasure_id(saga))
    return selector_from(uow.execute(wanted).scalar_one())


def _erasure_id(saga: Saga) -> UUID:
    return UUID(saga.input["erasure_id"])


def _tags(saga: Saga) -> list[TagPair]:
    return [(key, value) for key, value in saga.outputs["find"]["tags"]]


def _read(intent: Mapping[str, Json]) -> tuple[OrganizationId, Selector, list[TagPair]]:
    tags = [(key, value) for key, value in intent["tags"]]
    return OrganizationId(UUID(intent["organization_id"])), selector_from(intent["selector"]), tags


def found(_: Context, __: UnitOfWork, saga: Saga) -> Json:
    return saga.outputs["find"]


_STEPS: Final = (
    LocalStep(settling.NOTE, run=settling.note_spools, undo=nothing_to_undo),
    LocalStep(settling.SETTLE, run=settling.wait_for_spools, undo=nothing_to_undo),
    LocalStep("find", run=describe, undo=nothing_to_undo, timeout=_LONG),
    PutStep("count-stores", intend=found, effect=count_stores, undo_effect=nothing_to_undo, timeout=_LONG),
    LocalStep("count-rows", run=count_rows, undo=nothing_to_undo, timeout=_LONG),
    PutStep("erase-logs", intend=found, effect=erase_logs, timeout=_LONG),
    PutStep("erase-metrics", intend=found, effect=erase_metrics, timeout=_LONG),
    LocalStep("forget-rows", run=forget_rows, timeout=_LONG),
    PutStep("project-alerts", intend=found, effect=project_alerts, timeout=_LONG),
    PutStep("empty-cache", intend=found, effect=empty_cache),
    PutStep("count-residue", intend=found, effect=count_residue, timeout=_LONG),
)
_LAST_STEPS: Final = (
    LocalStep("count-rows-left", run=count_rows_left, timeout=_LONG),
    PutStep("sign-receipt", intend=write_receipt, effect=sign_receipt),
    LocalStep("keep-receipt", run=keep),
)
_WINDOW_STEPS: Final = (
    LocalStep(awaiting.NOTE, run=awaiting.note_roll_ups),
    LocalStep(awaiting.WAIT, run=awaiting.wait_for_roll_ups),
    PutStep("erase-windows", intend=found, effect=erase_metrics, timeout=_LONG),
)


def _definition(version: int, steps: tuple[LocalStep | PutStep, ...]) -> SagaDefinition:
    return SagaDefinition("erasure", version, steps, pivot="erase-logs", deadline=timedelta(days=7))


ERASURE_1: Final = _definition(1, (*_STEPS, *_LAST_STEPS))
"""For those that were begun before windows were waited for."""
ERASURE: Final = _definition(2, (*_STEPS, *_WINDOW_STEPS, *_LAST_STEPS))
