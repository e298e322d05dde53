"""Property: whatever is cut off or flipped on disk, the reader sees exactly the records that are still whole."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factories.envelopes import OTHER_ORGANIZATION, envelope
from fakes.unsynced_disk import UnsyncedDisk
from strata_datamodel.errors import StoreUnavailableError
from strata_datamodel.spooling import SpoolRecord
from strata_stores.clock import SystemClock
from strata_stores.spool.file_spool import FileSpool
from strata_stores.spool.segment import segment_paths

PATIENCE_S = 10
LAST = 30


def open_spool(directory: Path) -> FileSpool:
    return FileSpool(directory, SystemClock(), segment_bytes=2_000, min_free_bytes=0, disk=UnsyncedDisk())


def body(number: int) -> bytes:
    return b"%d:" % number + b"v" * (number * 7 % 90)


def fill(directory: Path) -> None:
    spool = open_spool(directory)
    for future in [spool.append(envelope(number), body(number)) for number in range(1, LAST + 1)]:
        future.result(PATIENCE_S)
    spool.close()
    assert len(segment_paths(directory)) > 2


def read_all(spool: FileSpool) -> list[SpoolRecord]:
    found: list[SpoolRecord] = []
    while more := spool.read(found[-1].position.sequence if found else 0, max_records=4, max_bytes=500):
        found += more
    assert not spool.wait_for_records(found[-1].position.sequence if found else 0, 0)
    assert spool.depth().records == len(found)
    return found


def assert_true_copies(records: list[SpoolRecord]) -> None:
    for record in records:
        assert record.envelope == envelope(record.position.sequence)
        assert record.body == body(record.position.sequence)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("filled")
    fill(directory)
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def restore(files: dict[str, bytes], directory: Path) -> None:
    for name, content in files.items():
        (directory / name).write_bytes(content)


def sequences(records: list[SpoolRecord]) -> list[int]:
    return [record.position.sequence for record in records]


def spans(files: dict[str, bytes], directory: Path) -> dict[int, tuple[str, int, int]]:
    """Where each record lies: file name, start, end."""
    restore(files, directory)
    spool = open_spool(directory)
    with spool._segments.changed:
        found = {
            slot.sequence: (slot.segment.path.name, slot.start, slot.start + slot.size)
            for slot in spool._segments.slots(0)
        }
    spool.close()
    return found


def test_fault_21_a_tail_cut_at_any_byte_costs_only_the_records_it_cuts(
    filled: dict[str, bytes], tmp_path: Path
) -> None:
    where = spans(filled, tmp_path)
    last_file = segment_paths(tmp_path)[-1].name
    _, previous_start, _ = where[LAST - 1]
    for cut in range(previous_start, len(filled[last_file])):
        restore(filled | {last_file: filled[last_file][:cut]}, tmp_path)
        spool = open_spool(tmp_path)
        expected = [n for n, (name, _, end) in where.items() if name != last_file or end <= cut]
        records = read_all(spool)
        assert sequences(records) == expected
        assert_true_copies(records)
        assert spool.damaged_records() == 0
        fresh = spool.append(envelope(99), b"after the crash").result(PATIENCE_S)
        assert fresh.sequence > expected[-1]
        if cut > where[LAST][1]:
            assert fresh.sequence > LAST, "a sequence that was handed out came back"
        assert read_all(spool)[-1].body == b"after the crash"
        spool.close()
        again = open_spool(tmp_path)
        assert sequences(read_all(again)) == [*expected, fresh.sequence]
        again.close()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_flipped_bits_cost_the_records_they_hit_and_no_other(filled: dict[str, bytes], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        where = spans(filled, directory)
        damaged = {name: bytearray(content) for name, content in filled.items()}
        hit: set[int] = set()
        for _ in range(data.draw(st.integers(1, 4))):
            file, content = data.draw(
                st.sampled_from([pair for pair in damaged.items() if pair[0].endswith("segment")])
            )
            at = data.draw(st.integers(0, len(content) - 1))
            content[at] ^= data.draw(st.integers(1, 255))
            hit |= {n for n, (other, start, end) in where.items() if other == file and start <= at < end}
        restore({name: bytes(content) for name, content in damaged.items()}, directory)
        spool = open_spool(directory)
        records = read_all(spool)
        assert_true_copies(records)
        whole = {n for n in where if n not in hit}
        assert set(sequences(records)) >= whole
        assert sequences(records) == sorted(set(sequences(records)))
        if LAST not in hit:  # damage at the very end cannot be told from a torn write
            lost = LAST - len(records)
            assert spool.damaged_records() == lost
        assert spool.append(envelope(99), b"new").result(PATIENCE_S).sequence > LAST
        spool.close()


@settings(max_examples=100, deadline=None)
@given(junk=st.binary(min_size=1, max_size=400), at=st.integers(0, 29))
def test_junk_between_records_is_stepped_over(filled: dict[str, bytes], junk: bytes, at: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        where = spans(filled, directory)
        file, start, _ = where[at + 1]
        restore(filled | {file: filled[file][:start] + junk + filled[file][start:]}, directory)
        spool = open_spool(directory)
        records = read_all(spool)
        assert sequences(records) == list(range(1, LAST + 1))
        assert_true_copies(records)
        spool.close()


def test_whole_records_that_do_not_belong_there_are_stepped_over(filled: dict[str, bytes], tmp_path: Path) -> None:
    """Blocks of an older time, or of another spool, are valid records in the wrong place."""
    fill(tmp_path / "foreign")
    foreign = segment_paths(tmp_path / "foreign")[-1].read_bytes()
    where = spans(filled, tmp_path)
    stale_file, start, end = where[1]
    stale = filled[stale_file][start:end]
    for extra in (stale, foreign):
        file, at, _ = where[12]
        restore(filled | {file: filled[file][:at] + extra + filled[file][at:]}, tmp_path)
        spool = open_spool(tmp_path)
        records = read_all(spool)
        assert sequences(records) == list(range(1, LAST + 1))
        assert_true_copies(records)
        spool.close()


def test_damage_found_while_running_is_skipped_and_counted_once(tmp_path: Path) -> None:
    fill(tmp_path)
    spool = open_spool(tmp_path)
    first = segment_paths(tmp_path)[0]
    content = bytearray(first.read_bytes())
    content[len(content) // 2] ^= 1
    first.write_bytes(bytes(content))
    assert len(read_all(spool)) == LAST - 1
    assert len(read_all(spool)) == LAST - 1
    assert spool.damaged_records() == 1
    spool.close()


def test_a_body_that_holds_a_forged_record_cannot_become_one(tmp_path: Path) -> None:
    """A client cannot know the spool's marker, so damage to its record's header frees nothing inside the body."""
    donor = open_spool(tmp_path / "donor")
    for number in range(1, 4):
        donor.append(envelope(number, organization_id=OTHER_ORGANIZATION), b"forged").result(PATIENCE_S)
    donor.close()
    forged = segment_paths(tmp_path / "donor")[0].read_bytes()
    spool = open_spool(tmp_path / "spool")
    for content in (b"before", forged, b"after"):
        spool.append(envelope(), content).result(PATIENCE_S)
    spool.close()
    path = segment_paths(tmp_path / "spool")[0]
    path.write_bytes(path.read_bytes().replace(forged, b"\xff" + forged[1:]))
    with path.open("r+b") as file:
        start = path.read_bytes().index(b"before") + len(b"before")
        file.seek(start)
        file.write(b"\0")
    spool = open_spool(tmp_path / "spool")
    assert [record.body for record in read_all(spool)] == [b"before", b"after"]
    spool.close()


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"format": 2}'])
def test_a_damaged_identity_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path)
    (tmp_path / "spool.json").write_bytes(content)
    with pytest.raises(StoreUnavailableError, match=r"spool\.json is damaged"):
        open_spool(tmp_path)
    (tmp_path / "spool.json").unlink()
    with pytest.raises(StoreUnavailableError, match=r"spool\.json is missing"):
        open_spool(tmp_path)


@pytest.mark.parametrize("torn", range(24))
def test_a_torn_cursor_write_forgets_at_most_the_newest_move(tmp_path: Path, torn: int) -> None:
    fill(tmp_path)
    spool = open_spool(tmp_path)
    spool.acknowledge(3)
    spool.acknowledge(5)
    spool.close()
    path = tmp_path / "cursor"
    raw = bytearray(path.read_bytes())
    raw[torn] ^= 0x55
    path.write_bytes(bytes(raw))
    spool = open_spool(tmp_path)
    assert spool.acknowledged in {3, 5}
    assert sequences(read_all(spool)) == list(range(spool.acknowledged + 1, LAST + 1))
    spool.close()
