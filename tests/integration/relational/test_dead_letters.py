"""What a store refused is kept with its reason, and resolved once."""

import threading

import pytest

from factories.contexts import context
from fixtures.relational import Database, TwoOrganizations
from strata_core.context import Context
from strata_core.dead_letters.commands import discard_letter, keep, replay_letter
from strata_core.dead_letters.queries import content, dead_letter_page
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_datamodel.errors import ConflictError, DeniedError, NotFoundError, TooLargeError
from strata_datamodel.ids import DeadLetterId, uuid7
from strata_datamodel.limits import DEAD_LETTER_BYTES

pytestmark = pytest.mark.usefixtures("second_unmoved")


@pytest.fixture
def ctx(two_organizations: TwoOrganizations) -> Context:
    return context(two_organizations.first)


def kept(units: UnitsOfWork, ctx: Context, signal: str = "logs", body: bytes = b"\x00\xff{}") -> DeadLetterId:
    with units.organization(ctx.organization_id) as uow:
        return keep(
            uow,
            signal=signal,
            store="elastic",
            reason="mapper_parsing \x00" + "x" * 9_000,
            item_count=3,
            content=body,
            content_format="es_bulk",
            batch_id=uuid7(1),
        )


def test_a_letter_is_kept_byte_for_byte_with_a_bounded_reason(units: UnitsOfWork, ctx: Context) -> None:
    letter_id = kept(units, ctx)
    with units.organization(ctx.organization_id) as uow:
        (letter,) = dead_letter_page(ctx, uow, limit=9)
        assert content(ctx, uow, letter_id) == b"\x00\xff{}"
    assert (letter.id, letter.state, letter.item_count, letter.content_bytes) == (letter_id, "open", 3, 4)
    assert letter.reason.startswith("mapper_parsing")
    assert len(letter.reason) == 2_000


def test_too_large_a_content_is_refused(units: UnitsOfWork, ctx: Context) -> None:
    with pytest.raises(TooLargeError):
        kept(units, ctx, body=bytes(DEAD_LETTER_BYTES + 1))


def test_pages_and_filters(units: UnitsOfWork, ctx: Context) -> None:
    letters = [kept(units, ctx, signal) for signal in ("logs", "metrics", "logs", "logs")]
    with units.organization(ctx.organization_id) as uow:
        discard_letter(ctx, uow, letters[0])
    with units.organization(ctx.organization_id) as uow:
        first = dead_letter_page(ctx, uow, limit=3)
        rest = dead_letter_page(ctx, uow, limit=3, after=first[-1].id)
        assert {letter.id for letter in [*first, *rest]} == set(letters)
        assert len(first) + len(rest) == 4
        assert {letter.id for letter in dead_letter_page(ctx, uow, limit=9, signal="metrics")} == {letters[1]}
        assert {letter.id for letter in dead_letter_page(ctx, uow, limit=9, state="dropped")} == {letters[0]}


def test_of_two_who_replay_one_does(units: UnitsOfWork, ctx: Context, database: Database) -> None:
    letter_id = kept(units, ctx)
    outcomes: list[str] = []
    start = threading.Barrier(3, timeout=10)

    def replay() -> None:
        start.wait()
        try:
            with units.organization(ctx.organization_id) as uow:
                replay_letter(ctx, uow, letter_id)
            outcomes.append("replayed")
        except ConflictError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=replay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["dead_letter_resolved", "dead_letter_resolved", "replayed"]
    assert [row["action"] for row in database.rows("SELECT action FROM audit_log")] == ["dead_letter.replay"]


def test_others_letters_are_not_there_and_permissions_are_asked(
    units: UnitsOfWork, ctx: Context, two_organizations: TwoOrganizations
) -> None:
    letter_id = kept(units, ctx)
    stranger = context(two_organizations.second)
    nobody = context(ctx.organization_id, permissions=frozenset())
    for expected, asker in ((NotFoundError, stranger), (DeniedError, nobody)):
        with pytest.raises(expected), units.organization(asker.organization_id) as uow:
            content(asker, uow, letter_id)
        with pytest.raises(expected), units.organization(asker.organization_id) as uow:
            discard_letter(asker, uow, letter_id)
