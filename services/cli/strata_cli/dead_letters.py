"""`strata dead-letters`: refused telemetry, for an operator at the console."""

from dataclasses import asdict
from pathlib import Path
from uuid import UUID

from strata_cli.access.acting import acting
from strata_cli.rendering import print_document, print_json, print_outcome, print_table
from strata_core.dead_letters.commands import discard_letter, replay_letter
from strata_core.dead_letters.queries import DeadLetter, content, dead_letter, dead_letter_page
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import DeadLetterId
from strata_datamodel.limits import PAGE_SIZE_MAX
from strata_stores.settings import Settings


def run_list(
    settings: Settings,
    org: str,
    acting_as: str | None,
    *,
    state: str | None,
    signal: str | None,
    limit: int,
    as_json: bool,
) -> None:
    found: list[DeadLetter] = []
    with acting(settings, org, acting_as, "dead-letters") as who:
        while len(found) < limit:
            size, after = min(PAGE_SIZE_MAX, limit - len(found)), found[-1].id if found else None
            page = dead_letter_page(who.ctx, who.uow, limit=size, after=after, state=state, signal=signal)
            found += page
            if len(page) < size:
                break
    if as_json:
        print_json([_document(letter) for letter in found])
        return
    rows = [
        (each.id, each.signal, each.state, each.item_count, f"{each.created_at:%Y-%m-%d %H:%M}", each.reason)
        for each in found
    ]
    print_table(("letter", "signal", "state", "items", "created", "reason"), rows)


def run_show(
    settings: Settings, org: str, acting_as: str | None, letter_id: UUID, file: Path | None, *, as_json: bool
) -> None:
    with acting(settings, org, acting_as, "dead-letters") as who:
        letter = dead_letter(who.ctx, who.uow, DeadLetterId(letter_id))
        refused = content(who.ctx, who.uow, letter.id) if file is not None else b""
    if file is not None:
        try:
            file.write_bytes(refused)
        except OSError as error:
            raise InvalidError(f"{file} cannot be written: {error.strerror}", code="bad_file") from None
    if as_json:
        print_json(_document(letter))
    else:
        print_document(_document(letter))


def run_replay(settings: Settings, org: str, acting_as: str | None, letter_id: UUID, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "dead-letters") as who:
        letter = replay_letter(who.ctx, who.uow, DeadLetterId(letter_id))
    _tell(letter, "goes through ingest again", as_json=as_json)


def run_discard(settings: Settings, org: str, acting_as: str | None, letter_id: UUID, *, as_json: bool) -> None:
    with acting(settings, org, acting_as, "dead-letters") as who:
        letter = discard_letter(who.ctx, who.uow, DeadLetterId(letter_id))
    _tell(letter, "is given up", as_json=as_json)


def _tell(letter: DeadLetter, what: str, *, as_json: bool) -> None:
    print_outcome(_document(letter), f"{letter.id} {what}", as_json=as_json)


def _document(letter: DeadLetter) -> dict[str, object]:
    resolved_at = None if letter.resolved_at is None else letter.resolved_at.isoformat()
    return {
        **asdict(letter),
        "id": str(letter.id),
        "batch_id": None if letter.batch_id is None else str(letter.batch_id),
        "created_at": letter.created_at.isoformat(),
        "resolved_at": resolved_at,
    }
