"""What a store refused goes through the spool again when people ask for it, and is then as if it had been taken."""

import dataclasses

import pytest

from factories.contexts import context
from fixtures.ingest import IngestWorld
from strata_core.dead_letters.commands import discard_letter, keep, replay_letter
from strata_core.dead_letters.replaying import HELD, take_replaying
from strata_datamodel.errors import ConflictError, InvalidError
from strata_datamodel.ids import BatchId, DeadLetterId
from strata_datamodel.logs import LogBatch
from strata_datamodel.metrics import Rejection
from strata_datamodel.spooling import Envelope, Signal, SpoolPosition, SpoolRecord, WireFormat
from strata_ingest.burying import bury_events, bury_record
from strata_ingest.replaying import Replayer, rebuilt
from strata_wire.bulk import INDEX


def letters(ingest: IngestWorld) -> list[dict]:
    return ingest.database.rows("SELECT * FROM dead_letters ORDER BY id")


def ask(ingest: IngestWorld, number: int = 0) -> None:
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        replay_letter(context(ingest.acme.organization_id), uow, DeadLetterId(letters(ingest)[number]["id"]))


def replayer(ingest: IngestWorld) -> Replayer:
    return Replayer(ingest.machine.system_units, ingest.machine.spools, ingest.machine.clock)


def keep_part(ingest: IngestWorld, content: bytes, part: str, batch_id, wire_format: str = "influx_line") -> None:
    received = ingest.machine.clock.now_ns()
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        keep(
            uow,
            signal="metrics",
            store="metrics",
            reason="broken",
            item_count=1,
            content=content,
            content_format=f"{wire_format};encoding=identity;received_at_ns={received};precision=ns{part}",
            batch_id=batch_id,
        )


def test_refused_points_are_in_the_store_after_their_replay(ingest):
    now_ns = ingest.machine.clock.now_ns()
    ingest.machine.metric_store.refuses = lambda name: "no such thing" if name == "bad" else None
    assert ingest.write(f"good,host=a v=1 {now_ns}\nbad,host=a v=7 {now_ns}").status_code == 204
    ingest.machine.drain()
    ingest.machine.metric_store.refuses = lambda _: None
    ask(ingest)
    assert replayer(ingest).step() == 1
    assert ingest.points("bad") == {"a": 7}
    assert ingest.count_points() == 2
    assert [row["state"] for row in letters(ingest)] == ["replayed"]
    assert replayer(ingest).step() == 0


def test_what_is_refused_once_more_becomes_a_new_letter(ingest):
    ingest.machine.metric_store.refuses = lambda name: "no such thing"
    ingest.write(f"bad,host=a v=7 {ingest.machine.clock.now_ns()}")
    ingest.machine.drain()
    ask(ingest)
    replayer(ingest).step()
    ingest.machine.drain()
    assert [row["state"] for row in letters(ingest)] == ["replayed", "open"]


def test_a_body_that_could_not_be_landed_is_replayed_as_it_was_sent(ingest):
    ingest.machine.metric_store.poison = lambda _: InvalidError("cannot be landed")
    sent = f"cpu,host=a v=1 {ingest.machine.clock.now_ns()}"
    ingest.write(sent)
    ingest.machine.drain()
    (letter,) = letters(ingest)
    assert bytes(letter["content"]) == sent.encode()
    ingest.machine.metric_store.poison = lambda _: None
    ask(ingest)
    replayer(ingest).step()
    assert ingest.points("cpu") == {"a": 1}


def test_a_replay_that_is_sent_twice_leaves_the_same_points(ingest):
    ingest.machine.metric_store.poison = lambda _: InvalidError("cannot be landed")
    ingest.write(f"cpu,host=a v=1 {ingest.machine.clock.now_ns()}")
    ingest.machine.drain()
    ingest.machine.metric_store.poison = lambda _: None
    ask(ingest)
    for _ in range(2):
        replayer(ingest).step()
        ingest.database.run("UPDATE dead_letters SET state = 'replaying', replay_until = NULL")
    assert ingest.count_points() == 1


def test_refused_events_keep_their_ids(ingest):
    ingest.bulk('{"index":{"_index":"logs"}}\n{"message":"hello","@timestamp":"2026-11-20T10:00:00Z"}\n')
    (event,) = ingest.events()
    lost = dataclasses.replace(event, event_id="f" * 32, message="refused before")
    batch = LogBatch(ingest.acme.organization_id, (lost,))
    envelope = Envelope(ingest.acme.organization_id, batch_id_of(ingest), 0, Signal.LOGS, WireFormat.ES_BULK)
    bury_events(ingest.machine.system_units, "logs", batch, envelope, [Rejection(0, "no")])
    for _ in range(2):
        ingest.database.run("UPDATE dead_letters SET state = 'replaying', replay_until = NULL")
        assert replayer(ingest).step() == 1
    assert sorted(each.message for each in ingest.events()) == ["hello", "refused before"]
    assert lost in ingest.events()


def batch_id_of(ingest: IngestWorld):
    return ingest.database.rows("SELECT app.uuid_v7() AS id")[0]["id"]


def test_a_body_in_parts_goes_as_one_in_its_order(ingest):
    now_ns = ingest.machine.clock.now_ns()
    body = f"cpu,host=a v=1 {now_ns}\ncpu,host=b v=2 {now_ns}\n".encode()
    batch_id = batch_id_of(ingest)
    keep_part(ingest, body[20:], ";part=2/2", batch_id)
    keep_part(ingest, body[:20], ";part=1/2", batch_id)
    ask(ingest)
    assert [row["state"] for row in letters(ingest)] == ["replaying", "replaying"]
    replayer(ingest).step()
    assert ingest.points("cpu") == {"a": 1, "b": 2}
    assert [row["state"] for row in letters(ingest)] == ["replayed", "replayed"]


@pytest.mark.parametrize(
    ("part", "wire_format"), [(";part=2/2", "influx_line"), ("", "morse"), (";part=x", "influx_line")]
)
def test_what_cannot_be_put_together_is_open_again_with_the_reason(ingest, part, wire_format):
    keep_part(ingest, b"cpu v=1", part, batch_id_of(ingest), wire_format)
    ask(ingest)
    replayer(ingest).step()
    (letter,) = letters(ingest)
    assert letter["state"] == "open"
    assert letter["reason"].startswith(("it is a part", "its format"))


def test_what_a_sender_named_is_no_word_of_the_format(ingest):
    named = f"logs;received_at_ns={10**30};encoding=gzip;part=7/9;%3B\0="
    envelope = Envelope(
        ingest.acme.organization_id,
        BatchId(batch_id_of(ingest)),
        ingest.machine.clock.now_ns(),
        Signal.LOGS,
        WireFormat.ES_BULK,
        {INDEX: named},
    )
    record = SpoolRecord(SpoolPosition(envelope.batch_id, 1), envelope, b"{}")
    bury_record(ingest.machine.system_units, "logs", record, "no")
    ask(ingest)
    with ingest.machine.system_units.system() as uow:
        assert rebuilt(take_replaying(uow, limit=1), 0) == (envelope, b"{}")


def test_a_letter_that_cannot_be_sent_holds_up_no_other(ingest):
    keep_part(ingest, b"cpu v=1", f";received_at_ns={10**30}", batch_id_of(ingest))
    keep_part(ingest, b"cpu v=1", "", batch_id_of(ingest))
    keep_part(ingest, b"cpu,host=a v=1", "", batch_id_of(ingest))
    ingest.database.run("UPDATE dead_letters SET state = 'replaying'")
    refused = letters(ingest)[1]["id"]
    ingest.database.run("UPDATE dead_letters SET signal = 'nonsense' WHERE id = %s", refused)
    assert replayer(ingest).step() == 3
    assert ingest.points("cpu") == {"a": 1}
    assert [row["state"] for row in letters(ingest)] == ["open", "open", "replayed"]


def test_a_letter_that_a_process_took_and_never_replayed_is_taken_by_the_next(ingest):
    keep_part(ingest, b"cpu,host=a v=1", "", batch_id_of(ingest))
    ask(ingest)
    ingest.database.run("UPDATE dead_letters SET replay_until = app.now() + interval '1 minute'")
    assert replayer(ingest).step() == 0
    ingest.machine.clock.advance(HELD)
    assert replayer(ingest).step() == 1
    assert ingest.points("cpu") == {"a": 1}


def test_a_discarded_letter_is_not_replayed(ingest):
    keep_part(ingest, b"cpu,host=a v=1", "", batch_id_of(ingest))
    with ingest.machine.system_units.organization(ingest.acme.organization_id) as uow:
        discard_letter(context(ingest.acme.organization_id), uow, DeadLetterId(letters(ingest)[0]["id"]))
    with pytest.raises(ConflictError, match="dropped already"):
        ask(ingest)
    assert replayer(ingest).step() == 0
