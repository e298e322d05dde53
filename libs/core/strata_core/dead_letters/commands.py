"""Keeping dead letters, and saying what became of them."""

from typing import Final, Literal
from uuid import UUID

from sqlalchemy import insert, select, update

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.context import Context
from strata_core.dead_letters.queries import DeadLetter, dead_letter
from strata_core.new_ids import new_id
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


def resolve(
    ctx: Context, uow: UnitOfWork, letter_id: DeadLetterId, outcome: Literal["replayed", "dropped"]
) -> DeadLetter:
    """Once only: of two people who replay the same letter one gets ConflictError (code `dead_letter_resolved`)."""
    require(ctx, "dead_letters:write")
    mine = (dead_letters.c.organization_id == ctx.organization_id, dead_letters.c.id == letter_id)
    uow.execute(select(dead_letters.c.id).where(*mine).with_for_update())
    before = dead_letter(ctx, uow, letter_id)
    if before.state != "open":
        raise ConflictError(f"it is {before.state} already", code="dead_letter_resolved")
    uow.execute(update(dead_letters).where(*mine).values(state=outcome, resolved_at=uow.now()))
    after = dead_letter(ctx, uow, letter_id)
    record(
        ctx,
        uow,
        f"dead_letter.{outcome}",
        "dead_letter",
        str(letter_id),
        before={"state": before.state},
        after={"state": after.state, "reason": after.reason, "item_count": after.item_count},
    )
    return after
