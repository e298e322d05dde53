"""What every Spool promises, whatever it is kept on."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from factories.envelopes import ORGANIZATION, OTHER_ORGANIZATION, envelope
from strata_core.ports.spool import Spool
from strata_datamodel.errors import LimitError, SpoolFullError, TooLargeError, UnavailableError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.spooling import Envelope, SpoolPosition
from strata_stores.clock import SystemClock
from strata_stores.spool.file_spool import FileSpool

PATIENCE_S = 10


class Reopenable:
    """A spool, and the way to open it again as a restarted process would."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: Spool | None = None

    def open(self, max_bytes: int = 1 << 20, segment_bytes: int = 4096) -> Spool:
        self.close()
        self._open = FileSpool(
            self._directory, SystemClock(), max_bytes=max_bytes, segment_bytes=segment_bytes, min_free_bytes=0
        )
        return self._open

    def close(self) -> None:
        if self._open is not None:
            self._open.close()


@pytest.fixture(params=["file"])
def place(tmp_path: Path) -> Iterator[Reopenable]:
    place = Reopenable(tmp_path / "spool")
    yield place
    place.close()


def put(spool: Spool, *bodies: bytes) -> list[int]:
    futures = [spool.append(envelope(index), body) for index, body in enumerate(bodies)]
    return [future.result(PATIENCE_S).sequence for future in futures]


def bodies(spool: Spool, after: int = 0) -> list[bytes]:
    return [record.body for record in spool.read(after, max_records=10_000, max_bytes=1 << 30)]


def test_a_record_comes_back_with_its_envelope_and_position(place: Reopenable) -> None:
    spool = place.open()
    sent = envelope(7, parameters={"precision": "ms", "odd": "\N{SNOWMAN}\0"})
    position = spool.append(sent, b"cpu value=1").result(PATIENCE_S)
    (record,) = spool.read(0, max_records=10, max_bytes=1000)
    assert record.envelope == sent
    assert record.body == b"cpu value=1"
    assert record.position == position == SpoolPosition(spool.spool_id, 1)


def test_sequences_rise_by_one_in_the_order_of_append(place: Reopenable) -> None:
    spool = place.open()
    assert put(spool, *(b"%d" % n for n in range(500))) == list(range(1, 501))
    assert bodies(spool) == [b"%d" % n for n in range(500)]


def test_appends_of_many_threads_are_each_stored_once(place: Reopenable) -> None:
    spool = place.open()
    positions: list[int] = []

    def append(worker: int) -> None:
        positions.extend(put(spool, *(b"%d-%d" % (worker, n) for n in range(100))))

    threads = [threading.Thread(target=append, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(positions) == list(range(1, 801))
    found = bodies(spool)
    assert len(set(found)) == len(found) == 800
    for worker in range(8):
        assert [body for body in found if body.startswith(b"%d-" % worker)] == [
            b"%d-%d" % (worker, n) for n in range(100)
        ]


def test_reading_stops_at_either_bound_but_gives_at_least_one(place: Reopenable) -> None:
    spool = place.open()
    put(spool, *(bytes([n]) * 300 for n in range(10)))
    assert len(spool.read(0, max_records=3, max_bytes=1 << 20)) == 3
    assert 1 <= len(spool.read(0, max_records=10, max_bytes=1200)) <= 3
    (big,) = spool.read(4, max_records=10, max_bytes=1)
    assert big.position.sequence == 5
    assert spool.read(10, max_records=10, max_bytes=1) == []


def test_an_empty_body_is_a_record(place: Reopenable) -> None:
    spool = place.open()
    put(spool, b"", b"")
    assert bodies(spool) == [b"", b""]


def test_records_and_acknowledgement_survive_a_restart(place: Reopenable) -> None:
    spool = place.open()
    spool_id = spool.spool_id
    put(spool, *(b"%d" % n for n in range(100)))
    spool.acknowledge(40)
    again = place.open()
    assert again.spool_id == spool_id
    assert again.acknowledged == 40
    assert bodies(again) == [b"%d" % n for n in range(40, 100)]
    assert put(again, b"next") == [101]


def test_sequences_go_on_after_everything_was_acknowledged(place: Reopenable) -> None:
    spool = place.open()
    put(spool, *(b"x" * 1000 for _ in range(20)))
    spool.acknowledge(20)
    assert put(place.open(), b"next") == [21]


def test_acknowledgement_never_goes_back(place: Reopenable) -> None:
    spool = place.open()
    put(spool, b"1", b"2", b"3")
    spool.acknowledge(2)
    spool.acknowledge(1)
    assert spool.acknowledged == 2
    assert bodies(spool) == [b"3"]


def test_a_position_a_store_already_knows_is_never_given_to_another_record(place: Reopenable) -> None:
    spool = place.open()
    put(spool, b"1")
    spool.acknowledge(50)
    assert put(spool, b"2") == [51]
    assert bodies(spool, after=50) == [b"2"]
    assert put(place.open(), b"3") == [52]


def test_depth_counts_what_is_not_acknowledged(place: Reopenable) -> None:
    spool = place.open()
    assert spool.depth().records == spool.depth().size_bytes == 0
    assert spool.depth().oldest_received_at_ns is None
    put(spool, *(b"x" * 100 for _ in range(50)))
    full = spool.depth()
    assert full.records == 50
    assert full.size_bytes > 5000
    assert full.oldest_received_at_ns == envelope(0).received_at_ns
    spool.acknowledge(30)
    left = spool.depth()
    assert left.records == 20
    assert left.size_bytes == full.size_bytes * 20 // 50
    assert left.oldest_received_at_ns == envelope(30).received_at_ns
    assert place.open().depth() == left


def of_somebody_else() -> Envelope:
    return envelope(organization_id=OrganizationId(uuid4()))


def test_a_full_spool_refuses_at_once_and_takes_again_after_acknowledgement(place: Reopenable) -> None:
    spool = place.open(max_bytes=20_000)
    put(spool, b"x" * 1000)
    room = 20_000 // spool.depth().size_bytes
    for _ in range(room - 1):
        spool.append(of_somebody_else(), b"x" * 1000).result(PATIENCE_S)
    with pytest.raises(SpoolFullError) as refused:
        spool.append(of_somebody_else(), b"x" * 1000)
    assert refused.value.retry_after_s
    spool.acknowledge(10)
    put(spool, b"x" * 1000)
    assert spool.depth().records == room - 10 + 1


def filled(spool: Spool, organization_id: OrganizationId) -> int:
    """How many records the organization got in before it was refused."""
    before = spool.depth().records

    def fill() -> None:
        while True:
            spool.append(envelope(organization_id=organization_id), b"x" * 1000).result(PATIENCE_S)

    with pytest.raises(LimitError, match="of this organization") as refused:
        fill()
    assert refused.value.code == "spool_share"
    assert "spool_share" in str(refused.value.hint)
    assert refused.value.retry_after_s
    return spool.depth().records - before


def test_one_organization_cannot_fill_the_spool_for_another(place: Reopenable) -> None:
    spool = place.open(max_bytes=200_000)
    first = filled(spool, ORGANIZATION)
    size = spool.depth().size_bytes
    assert 0.74 * 200_000 < size <= 0.75 * 200_000
    assert filled(spool, OTHER_ORGANIZATION) >= first // 4 - 1
    assert spool.share_refusals() == 2
    spool.append(of_somebody_else(), b"x" * 1000).result(PATIENCE_S)


def test_shares_are_the_same_after_a_restart_and_come_back_with_acknowledgement(place: Reopenable) -> None:
    spool = place.open(max_bytes=200_000)
    first = filled(spool, ORGANIZATION)
    spool = place.open(max_bytes=200_000)
    assert filled(spool, ORGANIZATION) == 0
    assert filled(spool, OTHER_ORGANIZATION) > 0
    spool.acknowledge(first)
    spool = place.open(max_bytes=200_000)
    assert filled(spool, ORGANIZATION) > first // 2
    spool.acknowledge(1_000)
    assert filled(spool, ORGANIZATION) == first


def test_a_record_larger_than_a_share_goes_in_alone(place: Reopenable) -> None:
    spool = place.open(max_bytes=2_000)
    put(spool, b"x" * 1_600)
    assert bodies(spool) == [b"x" * 1_600]


def test_a_record_larger_than_the_spool_is_not_told_to_come_again(place: Reopenable) -> None:
    with pytest.raises(TooLargeError):
        place.open(max_bytes=1000).append(envelope(), b"x" * 1000)


def test_waiting_ends_when_a_record_is_durable(place: Reopenable) -> None:
    spool = place.open()
    assert not spool.wait_for_records(0, 0.01)
    with ExitStack() as stack:
        reader = threading.Thread(target=lambda: seen.append(spool.wait_for_records(0, PATIENCE_S)))
        seen: list[bool] = []
        reader.start()
        stack.callback(reader.join)
        put(spool, b"1")
    assert seen == [True]
    assert spool.wait_for_records(0, 0)
    assert not spool.wait_for_records(1, 0)


def test_closing_keeps_the_appends_under_way_and_refuses_later_ones(place: Reopenable) -> None:
    spool = place.open()
    under_way: list[Future[SpoolPosition]] = [spool.append(envelope(), b"x") for _ in range(200)]
    spool.close()
    assert [future.result(0).sequence for future in under_way] == list(range(1, 201))
    refused: list[Callable[[], object]] = [
        lambda: spool.append(envelope(), b"late"),
        lambda: spool.read(0, max_records=1, max_bytes=1),
        lambda: spool.acknowledge(1),
    ]
    for call in refused:
        with pytest.raises(UnavailableError):
            call()
    assert not spool.wait_for_records(0, 0)
    assert bodies(place.open()) == [b"x"] * 200


def test_two_spools_never_share_an_id(place: Reopenable, tmp_path: Path) -> None:
    spool_id = place.open().spool_id
    other = Reopenable(tmp_path / "other")
    assert isinstance(spool_id, UUID)
    assert other.open().spool_id != spool_id
    other.close()
