"""Whatever is done to the audit log behind its walls, `verify` names the row or the anchor that disagrees."""

import itertools
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from factories.audit_chains import Chain, open_chain
from fixtures.relational import Database, TwoOrganizations
from strata_core.audit.chain import CHAINED, genesis, link
from strata_core.ports.system_unit_of_work import SystemUnitsOfWork
from strata_core.ports.unit_of_work import UnitsOfWork
from strata_stores.clock import ShiftedClock
from strata_stores.secrets.signing import Ed25519AnchorSigner

pytestmark = pytest.mark.usefixtures("second_unmoved")


@pytest.fixture
def chain(
    two_organizations: TwoOrganizations,
    units: UnitsOfWork,
    system_units: SystemUnitsOfWork,
    database: Database,
    shifted_clock: ShiftedClock,
    tmp_path: Path,
) -> Chain:
    return open_chain(two_organizations.first, units, system_units, database, shifted_clock, tmp_path / "archive")


@pytest.fixture
def anchored(chain: Chain) -> Chain:
    """Six rows, anchored at the fourth and at the last."""
    chain.write("a1", "a2", "a3", "a4")
    chain.seal()
    assert chain.anchor() == 1
    chain.write("a5", "a6")
    chain.seal()
    chain.clock.advance(timedelta(minutes=5))
    assert chain.anchor() == 1
    return chain


def rewrite(chain: Chain) -> None:
    """Every seal and the head computed anew over the rows as they stand: what a patient owner of the database does."""
    names = ", ".join(CHAINED)
    rows = chain.database.rows(
        f"SELECT {names} FROM audit_log WHERE organization_id = %s ORDER BY at, id", chain.organization_id
    )
    digest, changes = genesis(chain.organization_id), ["DELETE FROM audit_seals", "DELETE FROM audit_unsealed"]
    for seq, row in enumerate(rows, 1):
        digest = link(digest, chain.organization_id, seq, row)
        changes.append(
            "INSERT INTO audit_seals (organization_id, seq, audit_id, hash)"
            f" VALUES ('{chain.organization_id}', {seq}, '{row['id']}', '\\x{digest.hex()}')"
        )
    chain.as_owner(*changes, f"UPDATE audit_heads SET seq = {len(rows)}, hash = '\\x{digest.hex()}'")


def test_an_untouched_chain_is_intact(anchored: Chain) -> None:
    told: list[tuple[int, int]] = []
    result = anchored.verify(lambda done, total: told.append((done, total)))
    assert result.findings == []
    assert (result.rows, result.waiting, result.anchors, result.newest_anchor_seq) == (6, 0, 2, 6)
    assert told[-1] == (6, 6)


def test_an_organization_without_a_row_is_intact(chain: Chain) -> None:
    assert chain.verify().is_intact


@pytest.mark.parametrize(
    "change",
    [
        "action = 'x'",
        "actor_kind = 'system'",
        "actor_id = NULL",
        "actor_label = 'eve@example.test'",
        "target_kind = 'service'",
        "target_id = 'h2'",
        "at = at + interval '1 microsecond'",
        "before = '{}'",
        "after = NULL",
        """after = '{"size": 1.5, "name": "o"}'""",
        "request_id = NULL",
        "remote_addr = '192.0.2.8'",
    ],
)
def test_an_edited_row_is_named(anchored: Chain, change: str) -> None:
    third = anchored.ids()[2]
    anchored.as_owner(f"UPDATE audit_log SET {change} WHERE id = '{third}'")
    (finding,) = [found for found in anchored.verify().findings if found.kind != "row_unchained"]
    assert (finding.kind, finding.seq, finding.audit_id) == ("row_changed", 3, third)


def test_every_column_of_a_row_is_on_the_chain(database: Database) -> None:
    columns = database.rows("SELECT column_name FROM information_schema.columns WHERE table_name = 'audit_log'")
    assert {row["column_name"] for row in columns} == {*CHAINED, "organization_id"}


def test_a_deleted_row_is_named(anchored: Chain) -> None:
    anchored.as_owner(f"DELETE FROM audit_log WHERE id = '{anchored.ids()[1]}'")
    assert anchored.kinds() == [("row_missing", 2)]


def test_a_row_deleted_with_its_seal_leaves_a_gap(anchored: Chain) -> None:
    second = anchored.ids()[1]
    anchored.as_owner(f"DELETE FROM audit_log WHERE id = '{second}'", "DELETE FROM audit_seals WHERE seq = 2")
    assert anchored.kinds()[0] == ("seal_missing", 2)


def test_a_gap_that_was_closed_does_not_fit(anchored: Chain) -> None:
    second = anchored.ids()[1]
    anchored.as_owner(
        f"DELETE FROM audit_log WHERE id = '{second}'",
        "DELETE FROM audit_seals WHERE seq = 2",
        "UPDATE audit_seals SET seq = seq + 100 WHERE seq > 2",
        "UPDATE audit_seals SET seq = seq - 101 WHERE seq > 2",
        "UPDATE audit_heads SET seq = seq - 1",
    )
    assert anchored.kinds()[0] == ("row_changed", 2)


def test_rows_that_changed_places_are_named(anchored: Chain) -> None:
    second, third = anchored.ids()[1:3]
    anchored.as_owner(
        "UPDATE audit_seals SET audit_id = gen_random_uuid() WHERE seq = 2",
        f"UPDATE audit_seals SET audit_id = '{second}' WHERE seq = 3",
        f"UPDATE audit_seals SET audit_id = '{third}' WHERE seq = 2",
    )
    assert anchored.kinds() == [("row_changed", 2)]


def test_a_row_put_in_past_the_trigger_is_named(anchored: Chain) -> None:
    anchored.as_owner(
        "INSERT INTO audit_log (organization_id, actor_kind, actor_label, action, target_kind, target_id)"
        f" VALUES ('{anchored.organization_id}', 'user', 'a', 'planted', 'c', 'd')"
    )
    assert anchored.kinds() == [("row_unchained", None)]
    anchored.seal()
    assert anchored.kinds() == [("row_unchained", None)]


def test_a_row_appended_under_an_old_time_is_named(anchored: Chain) -> None:
    anchored.database.run(
        "INSERT INTO audit_log (organization_id, at, actor_kind, actor_label, action, target_kind, target_id)"
        " VALUES (%s, now() - interval '1 day', 'user', 'a', 'planted', 'c', 'd')",
        anchored.organization_id,
    )
    anchored.seal()
    assert anchored.kinds() == [("backdated", 7)]


def test_a_row_appended_with_a_seal_of_its_own_does_not_fit(anchored: Chain) -> None:
    planted = "00000000-0000-7000-8000-00000000000a"
    anchored.as_owner(
        "INSERT INTO audit_log (organization_id, id, actor_kind, actor_label, action, target_kind, target_id)"
        f" VALUES ('{anchored.organization_id}', '{planted}', 'user', 'a', 'planted', 'c', 'd')",
        f"INSERT INTO audit_seals VALUES ('{anchored.organization_id}', 7, '{planted}', sha256('x'))",
        "UPDATE audit_heads SET seq = 7, hash = sha256('x')",
    )
    assert anchored.kinds() == [("row_changed", 7)]


def test_a_tail_that_was_cut_off_is_missed_by_the_anchor(anchored: Chain) -> None:
    last = anchored.ids()[-1]
    anchored.as_owner(
        f"DELETE FROM audit_log WHERE id = '{last}'",
        "DELETE FROM audit_seals WHERE seq = 6",
        "UPDATE audit_heads h SET seq = 5, hash = (SELECT hash FROM audit_seals WHERE seq = 5)",
    )
    assert anchored.kinds() == [("truncated", 6)]


def test_a_chain_that_was_wiped_out_is_missed_by_the_anchor(anchored: Chain) -> None:
    anchored.as_owner("DELETE FROM audit_log", "DELETE FROM audit_seals", "DELETE FROM audit_heads")
    assert anchored.kinds() == [("truncated", 4), ("truncated", 6)]


def test_a_full_rewrite_is_caught_by_the_anchors(anchored: Chain) -> None:
    anchored.as_owner(f"UPDATE audit_log SET actor_label = 'eve' WHERE id = '{anchored.ids()[1]}'")
    rewrite(anchored)
    assert anchored.kinds() == [("anchor_disagrees", 4), ("anchor_disagrees", 6)]


def test_a_rewrite_after_the_last_but_one_anchor_is_caught_by_the_last(anchored: Chain) -> None:
    anchored.as_owner(f"UPDATE audit_log SET actor_label = 'eve' WHERE id = '{anchored.ids()[4]}'")
    rewrite(anchored)
    assert anchored.kinds() == [("anchor_disagrees", 6)]


def test_a_rewrite_that_is_anchored_again_does_not_silence_the_old_anchors(anchored: Chain) -> None:
    anchored.as_owner(f"UPDATE audit_log SET actor_label = 'eve' WHERE id = '{anchored.ids()[1]}'")
    rewrite(anchored)
    anchored.write("a7")
    anchored.seal()
    anchored.clock.advance(timedelta(minutes=5))
    anchored.anchor()
    assert anchored.kinds() == [("anchor_disagrees", 4), ("anchor_disagrees", 6)]


def test_an_anchor_by_another_key_is_not_believed(anchored: Chain) -> None:
    impostor = Ed25519AnchorSigner([b"i" * 32])
    honest, anchored.signer = anchored.signer, impostor
    anchored.write("a7")
    anchored.seal()
    anchored.clock.advance(timedelta(minutes=5))
    anchored.anchor()
    anchored.signer = honest
    assert anchored.kinds() == [("anchor_forged", 7)]
    anchored.signer = Ed25519AnchorSigner([b"s" * 32], trusted=[impostor.public_key])
    assert anchored.kinds() == []


def test_an_anchor_that_was_edited_or_garbled_is_named(anchored: Chain) -> None:
    first, second = anchored.archive.listing(anchored.organization_id, "audit-anchors")
    content = anchored.archive.get(anchored.organization_id, first.key)
    anchored.archive.put(anchored.organization_id, first.key, content.replace(b'"seq": 4', b'"seq": 3'))
    anchored.archive.put(anchored.organization_id, second.key, b"{}")
    assert anchored.kinds() == [("anchor_forged", 3), ("anchor_unreadable", None)]


def test_a_row_that_waits_too_long_for_its_seal_is_named(chain: Chain) -> None:
    chain.write("a1")
    assert (chain.kinds(), chain.verify().waiting) == ([], 1)
    chain.clock.advance(timedelta(minutes=2))
    assert [kind for kind, _ in chain.kinds()] == ["not_sealed"]
    chain.seal()
    assert chain.kinds() == []


def test_a_row_deleted_before_its_seal_is_named(chain: Chain) -> None:
    chain.write("a1", "a2")
    chain.as_owner("DELETE FROM audit_log WHERE action = 'a1'")
    assert chain.seal() == 1
    assert [kind for kind, _ in chain.kinds()] == ["row_missing"]


def test_a_chain_at_rest_is_anchored_soon_and_a_busy_one_every_few_minutes(chain: Chain) -> None:
    chain.write("a1")
    chain.seal()
    assert chain.anchor() == 1
    chain.write("a2")
    chain.seal()
    assert chain.anchor() == 0
    chain.clock.advance(timedelta(seconds=31))
    assert chain.anchor() == 1
    assert chain.anchor() == 0


def test_verifying_while_rows_come_in_and_are_sealed_finds_nothing_wrong(chain: Chain) -> None:
    chain.write(*("before" for _ in range(20)))
    chain.seal()
    stop, failures = threading.Event(), []

    def keep(work: object) -> None:
        try:
            while not stop.is_set():
                work()  # type: ignore[operator]
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    writers = [threading.Thread(target=keep, args=(lambda: chain.write("during"),)) for _ in range(2)]
    workers = [threading.Thread(target=keep, args=(chain.seal_alone,)) for _ in range(2)]
    workers.append(threading.Thread(target=keep, args=(chain.anchor,)))
    for thread in (*writers, *workers):
        thread.start()
    try:
        found = list(itertools.chain.from_iterable(chain.verify().findings for _ in range(15)))
    finally:
        stop.set()
        for thread in (*writers, *workers):
            thread.join()
    assert failures == []
    assert found == []
    while chain.seal():
        pass
    final = chain.verify()
    assert final.findings == []
    assert final.rows == chain.database.rows("SELECT count(*) AS n FROM audit_log")[0]["n"]
    assert final.rows > 25
