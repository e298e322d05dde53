"""Is the audit log what it was? Walks an organization's chain page by page while writes go on, and asks the anchors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, tuple_

from strata_core.audit.anchoring import Anchor, is_genuine
from strata_core.audit.chain import CHAINED, genesis, link
from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.ids import OrganizationId
from strata_datamodel.limits import AUDIT_ROWS_PER_VERIFY
from strata_datamodel.tables.audit import audit_heads, audit_log, audit_seals, audit_unsealed

SEALED_WITHIN: Final = timedelta(minutes=1)
"""Rows that wait longer mean that no worker seals, or that somebody keeps it from sealing."""
LONGEST_TRANSACTION: Final = timedelta(minutes=15)
"""A row cannot be older by more than this than one that was sealed before it."""
FINDINGS_SHOWN: Final = 100

Unit = Callable[[], AbstractContextManager[UnitOfWork]]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Finding:
    """`kind` is stable; `seq` is the place in the chain, where there is one."""

    kind: str
    detail: str
    seq: int | None = None
    audit_id: UUID | None = None


@dataclass(slots=True)
class Verification:
    """`rows` were checked, `waiting` are not sealed yet, `anchors` agree with the chain."""

    organization_id: OrganizationId
    rows: int = 0
    waiting: int = 0
    anchors: int = 0
    newest_anchor_seq: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_intact(self) -> bool:
        return not self.findings

    def found(self, finding: Finding) -> None:
        """The first of each kind is the one to look at; after so many, more say nothing new."""
        if len(self.findings) < FINDINGS_SHOWN:
            self.findings.append(finding)


def verify(
    unit: Unit,
    organization_id: OrganizationId,
    anchors: Iterable[tuple[str, Anchor | None]],
    signer: AnchorSigner,
    on_progress: Progress | None = None,
) -> Verification:
    """`unit` opens a unit of the organization for each page: no transaction lasts, and no lock is held. `anchors` come
    in the order of the chain; they are read before the head, which therefore is at least as new as they are."""
    result = Verification(organization_id)
    expected = _genuine_anchors(result, anchors, signer)
    with unit() as uow:
        head = uow.execute(select(audit_heads).where(_of(audit_heads, uow))).one_or_none()
    total = head.seq if head is not None else 0
    digest = _walk(result, unit, total, expected, on_progress)
    if head is not None and not result.findings and digest != bytes(head.hash):
        result.found(Finding("head_differs", "the head is not the hash of the last row", total))
    for seq in sorted(expected):
        if seq > total:
            result.found(Finding("truncated", f"an anchor stands for row {seq}, but the chain ends at {total}", seq))
    _look_for_unchained(result, unit)
    _look_at_queue(result, unit)
    return result


def _genuine_anchors(
    result: Verification, anchors: Iterable[tuple[str, Anchor | None]], signer: AnchorSigner
) -> dict[int, bytes]:
    expected: dict[int, bytes] = {}
    for name, anchor in anchors:
        if anchor is None:
            result.found(Finding("anchor_unreadable", f"the anchor {name} cannot be read"))
        elif not is_genuine(anchor, result.organization_id, signer):
            result.found(
                Finding("anchor_forged", f"the anchor {name} is not signed by a key that is trusted", anchor.seq)
            )
        elif expected.setdefault(anchor.seq, anchor.hash) != anchor.hash:
            result.found(Finding("anchors_disagree", f"two anchors stand for row {anchor.seq}", anchor.seq))
    return expected


def _walk(
    result: Verification, unit: Unit, total: int, expected: Mapping[int, bytes], on_progress: Progress | None
) -> bytes:
    """Ends at the head as it was at the start: what is sealed meanwhile is for the next time."""
    stored = genesis(result.organization_id)
    newest: datetime | None = None
    broken = False
    for row in _sealed_rows(unit, total):
        seq = result.rows + 1
        if row["seq"] != seq:
            result.found(Finding("seal_missing", f"seal {seq} is not there", seq))
            return stored
        previous, stored = stored, bytes(row["hash"])
        if not broken and (problem := _problem(previous, result.organization_id, row)) is not None:
            broken = True
            result.found(problem)
        if newest is not None and row["at"] is not None and row["at"] < newest - LONGEST_TRANSACTION:
            detail = f"row {seq} claims a time long before that of the row sealed before it"
            result.found(Finding("backdated", detail, seq, row["audit_id"]))
        newest = max(filter(None, (newest, row["at"])), default=None)
        if seq in expected:
            if expected[seq] == stored:
                result.anchors += 1
                result.newest_anchor_seq = seq
            else:
                detail = f"the anchor of row {seq} does not agree: the chain was rewritten up to there or before"
                result.found(Finding("anchor_disagrees", detail, seq, row["audit_id"]))
        result.rows = seq
        if on_progress is not None and (seq % AUDIT_ROWS_PER_VERIFY == 0 or seq == total):
            on_progress(seq, total)
    if result.rows < total:
        result.found(Finding("seal_missing", f"seal {result.rows + 1} is not there", result.rows + 1))
    return stored


def _problem(previous: bytes, organization_id: OrganizationId, row: Mapping[str, Any]) -> Finding | None:
    seq, audit_id = row["seq"], row["audit_id"]
    if row["id"] is None:
        return Finding("row_missing", f"row {seq} ({audit_id}) was deleted", seq, audit_id)
    if link(previous, organization_id, seq, row) != bytes(row["hash"]):
        return Finding("row_changed", f"row {seq} ({audit_id}) is not what was sealed in its place", seq, audit_id)
    return None


def _sealed_rows(unit: Unit, total: int) -> Iterator[Mapping[str, Any]]:
    columns = [audit_log.c[name] for name in CHAINED]
    joined = audit_seals.outerjoin(
        audit_log,
        (audit_log.c.organization_id == audit_seals.c.organization_id) & (audit_log.c.id == audit_seals.c.audit_id),
    )
    last = 0
    while last < total:
        with unit() as uow:
            page = (
                select(audit_seals.c.seq, audit_seals.c.audit_id, audit_seals.c.hash, *columns)
                .select_from(joined)
                .where(_of(audit_seals, uow), audit_seals.c.seq > last, audit_seals.c.seq <= total)
                .order_by(audit_seals.c.seq)
                .limit(AUDIT_ROWS_PER_VERIFY)
            )
            rows = [dict(row) for row in uow.execute(page).mappings()]
        if not rows:
            return
        yield from rows
        last = rows[-1]["seq"]


def _look_for_unchained(result: Verification, unit: Unit) -> None:
    """Rows that are neither sealed nor waiting for it came in past the trigger. A page is one statement, and sealing
    is one transaction: whatever is sealed meanwhile is seen on exactly one of the two sides."""
    sealed, waits = audit_seals.alias(), audit_unsealed.alias()
    is_sealed = (sealed.c.organization_id == audit_log.c.organization_id) & (sealed.c.audit_id == audit_log.c.id)
    is_waiting = (
        (waits.c.organization_id == audit_log.c.organization_id)
        & (waits.c.at == audit_log.c.at)
        & (waits.c.audit_id == audit_log.c.id)
    )
    page = (
        select(audit_log.c.id, sealed.c.seq, waits.c.audit_id)
        .select_from(audit_log.outerjoin(sealed, is_sealed).outerjoin(waits, is_waiting))
        .order_by(audit_log.c.id)
        .limit(AUDIT_ROWS_PER_VERIFY)
    )
    last = UUID(int=0)
    while True:
        with unit() as uow:
            rows = list(uow.execute(page.where(_of(audit_log, uow), audit_log.c.id > last)))
        for row in rows:
            if row.seq is None and row.audit_id is None:
                result.found(Finding("row_unchained", f"row {row.id} was put in past the chain", None, row.id))
        if len(rows) < AUDIT_ROWS_PER_VERIFY:
            return
        last = rows[-1].id


def _look_at_queue(result: Verification, unit: Unit) -> None:
    here = (audit_log.c.organization_id == audit_unsealed.c.organization_id) & (
        audit_log.c.id == audit_unsealed.c.audit_id
    )
    key = (audit_unsealed.c.at, audit_unsealed.c.audit_id)
    page = (
        select(*key, audit_unsealed.c.queued_at, audit_log.c.id)
        .select_from(audit_unsealed.outerjoin(audit_log, here))
        .order_by(*key)
        .limit(AUDIT_ROWS_PER_VERIFY)
    )
    last: tuple[object, object] | None = None
    while True:
        with unit() as uow:
            wanted = page.where(_of(audit_unsealed, uow))
            rows = list(uow.execute(wanted if last is None else wanted.where(tuple_(*key) > last)))
            now = uow.now()
        for row in rows:
            if row.id is None:
                detail = f"row {row.audit_id} was deleted before it was sealed"
                result.found(Finding("row_missing", detail, None, row.audit_id))
            elif row.queued_at < now - SEALED_WITHIN:
                detail = f"row {row.audit_id} waits for its seal since {row.queued_at:%Y-%m-%d %H:%M:%S} UTC"
                result.found(Finding("not_sealed", detail, None, row.audit_id))
            else:
                result.waiting += 1
        if len(rows) < AUDIT_ROWS_PER_VERIFY:
            return
        last = (rows[-1].at, rows[-1].audit_id)


def _of(table: Any, uow: UnitOfWork) -> Any:
    return table.c.organization_id == uow.organization_id
