"""Keeping dead letters, and saying what became of them."""

from typing import Final
from uuid import UUID

from sqlalchemy import insert, select, update

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.dead_letters.events import DEAD_LETTER_CHANGED
from strata_core.dead_letters.queries import DeadLetter, dead_letter
from strata_core.new_ids import new_id
from strata_core.outbox.commands import append
from strata_core.outbox.events import Event
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import ConflictError, TooLargeError
from strata_datamodel.ids import DeadLetterId
from strata_datamodel.limits import DEAD_LETTER_BYTES
from strata_datamodel.tables.outbox import dead_letters

_REASON_LENGTH: Final = 2_000


def keep(
    uow: UnitOfWork,
    *,
    signal: str,
    store: str,
    reason: str,
    item_count: int,
    content: bytes,
    content_format: str,
    batch_id: UUID | None = None,
) -> DeadLetterId:
    """The ingest's way in, for what a store refused for good. Raises TooLargeError: cut larger contents first."""
    if len(content) > DEAD_LETTER_BYTES:
        raise TooLargeError(f"a dead letter holds at most {DEAD_LETTER_BYTES} bytes", hint="dead_letter_bytes")
    letter_id = DeadLetterId(new_id(uow))
    uow.execute(
        insert(dead_letters),
        {
            "organization_id": uow.organization_id,
            "id": letter_id,
            "signal": signal,
            "batch_id": batch_id,
            "store": store,
            "reason": reason.replace("\x00", "\ufffd")[:_REASON_LENGTH],
            "item_count": item_count,
            "content": content,
            "content_format": content_format,
        },
    )
    return letter_id


def replay_letter(ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId) -> DeadLetter:
    """Sends what was refused through the spool again, as soon as an ingest process looks. What is refused once more
    becomes a new letter. Raises ConflictError (code `dead_letter_resolved`) unless the letter is open. A body that was
    cut into several letters goes as one: they are all replayed."""
    require(ctx, "dead_letters:write")
    before = _open_letter(ctx, uow, letter_id)
    together = dead_letters.c.id == letter_id
    if ";part=" in before.content_format:
        together = dead_letters.c.batch_id == before.batch_id
    mine = (dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.state == "open", together)
    uow.execute(update(dead_letters).where(*mine).values(state="replaying"))
    return _changed(ctx, uow, before, "dead_letter.replay")


def discard_letter(ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId) -> DeadLetter:
    """It stays listed, and is not replayed any more. Raises ConflictError (code `dead_letter_resolved`) unless the
    letter is open: of two people one comes first."""
    require(ctx, "dead_letters:write")
    before = _open_letter(ctx, uow, letter_id)
    mine = (dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.id == letter_id)
    uow.execute(update(dead_letters).where(*mine).values(state="dropped", resolved_at=uow.now()))
    return _changed(ctx, uow, before, "dead_letter.discard")


def _open_letter(ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId) -> DeadLetter:
    mine = (dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.id == letter_id)
    uow.execute(select(dead_letters.c.id).where(*mine).with_for_update())
    letter = dead_letter(ctx, uow, letter_id)
    if letter.state != "open":
        raise ConflictError(f"it is {letter.state} already", code="dead_letter_resolved")
    return letter


def _changed(ctx: Context, uow: UnitOfWork, before: DeadLetter, action: str) -> DeadLetter:
    after = dead_letter(ctx, uow, before.id)
    record(
        ctx,
        uow,
        action,
        "dead_letter",
        str(before.id),
        before={"state": before.state},
        after={"state": after.state, "reason": after.reason, "item_count": after.item_count},
    )
    append(uow, Event(DEAD_LETTER_CHANGED, 1, "dead_letter", before.id, {"state": after.state}))
    return after
