"""Who gets the room there is."""

import threading

import pytest

from strata_core.caching.flights import Flights
from strata_core.caching.shares import Shares
from waiting import eventually


def test_nobody_holds_more_than_a_share_nor_all_more_than_there_is() -> None:
    shares = Shares(3, 2)
    assert [shares.acquire("acme", 0.0) for _ in range(3)] == [True, True, False]
    assert [shares.acquire("globex", 0.0) for _ in range(2)] == [True, False]
    shares.release("acme")
    assert shares.acquire("globex", 0.0)
    assert not shares.acquire("initech", 0.0)


def test_room_that_gets_free_goes_to_who_has_none() -> None:
    shares, got = Shares(3, 2), []

    def wait(owner: str) -> None:
        assert shares.acquire(owner, 10.0)
        got.append(owner)

    for owner in ("acme", "acme", "globex"):
        assert shares.acquire(owner, 0.0)
    greedy = threading.Thread(target=wait, args=("acme",))
    greedy.start()
    eventually(lambda: shares.waiting == 1)
    modest = threading.Thread(target=wait, args=("initech",))
    modest.start()
    eventually(lambda: shares.waiting == 2)
    shares.release("acme")
    modest.join()
    assert got == ["initech"]
    shares.release("globex")
    greedy.join()
    assert got == ["initech", "acme"]


def test_who_waits_for_another_callers_answer_is_told_when_it_does_not_come() -> None:
    flights: Flights[int] = Flights()
    flight, is_first = flights.begin_or_join("key")
    assert is_first
    with pytest.raises(TimeoutError):
        flight.wait(0.01)
