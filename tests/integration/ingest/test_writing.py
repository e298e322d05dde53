"""What happens between an acknowledgement and the store: outages, crashes, refusals, poison."""

import shutil

import pytest

from strata_datamodel.errors import StoreRefusedError, StoreUnavailableError
from strata_datamodel.spooling import Signal
from waiting import eventually

DOWN = StoreUnavailableError("metrics", "down for a test")


def letters(ingest):
    return ingest.database.rows("SELECT * FROM dead_letters ORDER BY id")


def test_an_outage_of_the_store_only_delays_what_was_acknowledged(make_ingest):
    ingest = make_ingest(is_writing=False)
    ingest.machine.metric_store.before.extend([DOWN] * 5)
    ingest.machine.metric_store.after.append(DOWN)  # written, but the answer was lost
    for number in range(3):
        assert ingest.write(f"m,host=h{number} v={number}").status_code == 204
    ingest.machine.start_writers()
    assert ingest.points("m") == {"h0": 0, "h1": 1, "h2": 2}
    assert ingest.count_points() == 3
    assert letters(ingest) == []
    assert ingest.machine.counted("strata_writer_retries_total") == 6
    first, again = ingest.machine.metric_store.batches
    assert first.source == again.source  # held already: asked once more for what it refuses, and not written


def test_the_writer_tells_what_holds_it_up(make_ingest):
    ingest = make_ingest(is_writing=False)
    writer = ingest.machine.writers[Signal.METRICS]
    assert not writer.health().is_ready
    ingest.machine.metric_store.before.extend([DOWN] * 10_000)
    ingest.write("m v=1")
    ingest.machine.start_writers()
    eventually(lambda: "down for a test" in writer.health().detail)
    ingest.machine.metric_store.before.clear()
    ingest.machine.drain()
    eventually(lambda: writer.health().is_ready and "last error" not in writer.health().detail)


def test_a_writer_stops_promptly_in_an_outage_and_another_goes_on(make_ingest):
    ingest = make_ingest(is_writing=False)
    ingest.machine.metric_store.before.extend([DOWN] * 10_000)
    ingest.write("m,host=a v=1")
    ingest.machine.start_writers()
    eventually(lambda: ingest.machine.counted("strata_writer_retries_total") > 1)
    assert ingest.machine.writers[Signal.METRICS].stop(timeout_s=5)
    assert ingest.machine.spools[Signal.METRICS].depth().records == 1
    ingest.machine.close()
    ingest.machine.open()
    ingest.machine.start_writers()
    assert ingest.points("m") == {"a": 1}


def test_fault_22_a_replay_after_a_crash_leaves_the_same_points_and_events(make_ingest):
    """The spool's cursor is lost with the machine: every record is read again, in other batches than before."""
    ingest = make_ingest(is_writing=False)
    machine = ingest.machine
    for number in range(4):
        sender = ingest.acme if number % 2 else ingest.globex
        ingest.write(f"m,host=h{number} v={number}\nm,host=same v={number} {machine.clock.now_ns()}", sender)
        ingest.bulk('{"index":{}}\n{"message":"no time of its own"}\n', sender)
    machine.close()
    shutil.copytree(machine.folder / "spool", machine.folder / "before")
    seen = []
    for _ in range(2):
        machine.open()
        machine.start_writers()
        machine.drain()
        seen.append(
            [
                (ingest.points("m", sender=sender), ingest.count_points(sender), ingest.events(sender))
                for sender in (ingest.acme, ingest.globex)
            ]
        )
        machine.close()
        shutil.rmtree(machine.folder / "spool")
        shutil.copytree(machine.folder / "before", machine.folder / "spool")
    assert seen[0] == seen[1]
    assert seen[0][0][1] == 4
    assert len(seen[0][0][2]) == 2


def test_a_store_that_keeps_positions_is_never_told_one_before_all_up_to_it_is_in(make_ingest):
    ingest = make_ingest(is_writing=False)
    for number in range(4):
        ingest.write(f"m,host=h{number} v={number}", ingest.acme if number % 2 else ingest.globex)
    ingest.machine.start_writers()
    ingest.machine.drain()
    batches = ingest.machine.metric_store.batches
    assert [batch.organization_id for batch in batches] == [ingest.globex.organization_id, ingest.acme.organization_id]
    assert [batch.source and batch.source.sequence for batch in batches] == [
        None,
        ingest.machine.spools[Signal.METRICS].acknowledged,
    ]


def test_what_a_store_holds_already_is_not_written_again_but_still_noted(make_ingest):
    ingest = make_ingest(is_writing=False)
    ingest.write("m,host=a v=1")
    ingest.machine.metric_store.after.append(RuntimeError("killed between the store and the books"))
    ingest.machine.start_writers()
    ingest.machine.drain()
    assert len(ingest.machine.metric_store.batches) >= 1
    assert [row["name"] for row in ingest.database.rows("SELECT name FROM hosts")] == ["a"]
    assert ingest.count_points() == 1


def test_refused_points_become_dead_letters_with_the_stores_reason_and_the_rest_is_stored(make_ingest):
    ingest = make_ingest(is_writing=False)
    ingest.machine.metric_store.refuses = lambda name: "no such thing" if name.startswith("bad") else None
    ingest.write('good,host=a v=1\nbad,host=b v=2,w="x"\n')
    ingest.write("good,host=c v=3\n", ingest.globex)
    ingest.write("bad\\ one,host=d v=t\n", ingest.globex)
    ingest.machine.start_writers()
    assert ingest.points("good") == {"a": 1}
    assert ingest.points("good", sender=ingest.globex) == {"c": 3}
    first, second = sorted(letters(ingest), key=lambda letter: -letter["item_count"])
    assert first["organization_id"] == ingest.acme.organization_id
    assert (first["reason"], first["item_count"], first["state"]) == ("no such thing", 2, "open")
    assert sorted(line.rsplit(b" ", 1)[0] for line in first["content"].splitlines()) == [
        b"bad,host=b v=2.0",
        b'bad,host=b w="x"',
    ]
    assert second["organization_id"] == ingest.globex.organization_id
    assert second["content"].startswith(b"bad\\ one,host=d v=true ")
    assert ingest.machine.counted("strata_writer_dead_letters_total") == 3


def test_refused_points_are_kept_once_also_when_the_letters_failed_after_the_points_were_in(make_ingest):
    ingest = make_ingest(is_writing=False)
    machine = ingest.machine
    ingest.write("good,host=a v=1\nbad,host=b v=2\n")
    ingest.write("bad,host=c v=3\n", ingest.globex)
    machine.close()
    shutil.copytree(machine.folder / "spool", machine.folder / "before")
    for error in (DOWN, None):  # the second time all is in, and only the spool's cursor was lost
        machine.open()
        machine.metric_store.refuses = lambda name: "no such thing" if name == "bad" else None
        machine.metric_store.after.extend([error] * (error is not None))
        machine.start_writers()
        assert ingest.points("good") == {"a": 1}
        kept = sorted((letter["organization_id"], letter["reason"], letter["item_count"]) for letter in letters(ingest))
        assert kept == sorted((s.organization_id, "no such thing", 1) for s in (ingest.acme, ingest.globex))
        machine.close()
        shutil.rmtree(machine.folder / "spool")
        shutil.copytree(machine.folder / "before", machine.folder / "spool")
    machine.open()


@pytest.mark.parametrize("error", [StoreRefusedError("metrics", "never"), RuntimeError("a bug")])
def test_fault_22_a_record_that_cannot_be_landed_is_buried_and_blocks_nobody(make_ingest, error):
    ingest = make_ingest(is_writing=False)
    ingest.machine.metric_store.poison = lambda batch: (
        error if any(key.measurement == "poison" for key in batch.series) else None
    )
    for body, sender in (("m,host=a v=1", ingest.acme), ("poison v=1", ingest.globex), ("m,host=b v=2", ingest.acme)):
        assert ingest.write(body, sender).status_code == 204
    ingest.machine.start_writers()
    assert ingest.points("m") == {"a": 1, "b": 2}
    (letter,) = letters(ingest)
    assert letter["organization_id"] == ingest.globex.organization_id
    assert bytes(letter["content"]) == b"poison v=1"
    assert letter["content_format"].startswith("influx_line;encoding=identity;received_at_ns=")
    assert ("never" in letter["reason"]) or ("a bug" in letter["reason"])


def test_a_record_of_an_organization_that_is_gone_blocks_nobody(make_ingest):
    ingest = make_ingest(is_writing=False)
    assert ingest.write("m,host=x v=1", ingest.globex).status_code == 204
    assert ingest.write("m,host=a v=1").status_code == 204
    for table in ("api_keys", "memberships", "outbox", "audit_log"):
        ingest.database.run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            ingest.database.run(f"DELETE FROM {table} WHERE organization_id = %s", ingest.globex.organization_id)
        finally:  # other tests share the database
            ingest.database.run(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    ingest.database.run("DELETE FROM organizations WHERE id = %s", ingest.globex.organization_id)
    ingest.machine.start_writers()
    assert ingest.points("m") == {"a": 1}
    assert ingest.machine.spools[Signal.METRICS].depth().records == 0
    assert ingest.database.rows("SELECT 1 FROM hosts WHERE name = 'x'") == []


def test_one_write_takes_many_requests(make_ingest):
    ingest = make_ingest(is_writing=False)
    for number in range(40):
        ingest.write(f"m,host=h{number} v={number}")
    ingest.machine.start_writers()
    ingest.machine.drain()
    assert len(ingest.machine.metric_store.batches) == 1
    assert ingest.count_points() == 40


def test_what_was_parsed_at_the_edge_is_written_once_from_there_and_replayed_from_the_spool(make_ingest):
    ingest = make_ingest(is_writing=False)
    shared = ingest.machine.shared
    for number in range(3):
        assert ingest.write(f"m,host=h{number} v={number}").status_code == 204
        assert ingest.bulk(f'{{"index":{{}}}}\n{{"message":"m{number}"}}\n').status_code == 200
    assert (len(shared.points), len(shared.events)) == (3, 3)
    ingest.machine.start_writers()
    assert ingest.points("m") == {"h0": 0, "h1": 1, "h2": 2}
    assert [event.message for event in ingest.events()] == ["m0", "m1", "m2"]
    assert (shared.points.taken, shared.events.taken) == (3, 3)
    assert (shared.points.held_bytes, shared.events.held_bytes) == (0, 0)
    assert ingest.count_points(ingest.globex) == 0


def test_what_another_process_accepted_is_parsed_from_the_spool(make_ingest):
    ingest = make_ingest(is_writing=False)
    for number in range(3):
        ingest.write(f"m,host=h{number} v={number}")
    ingest.machine.close()
    ingest.machine.open()
    ingest.machine.start_writers()
    assert ingest.points("m") == {"h0": 0, "h1": 1, "h2": 2}
    assert ingest.machine.shared.points.taken == 0
    assert ingest.count_points() == 3
