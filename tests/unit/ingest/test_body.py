import asyncio

import pytest
from starlette.requests import Request

from strata_datamodel.errors import DeadlineError, InvalidError, TooLargeError, UnavailableError
from strata_datamodel.limits import INGEST_COMPRESSED_BYTES, MIB
from strata_ingest.body import InFlight, read_body


def request_of(chunks, headers=()):
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]

    async def receive():
        if messages:
            return messages.pop(0)
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request({"type": "http", "headers": list(headers), "method": "POST", "path": "/"}, receive)


def read(chunks, headers=(), in_flight=None, coding="identity"):
    async def go():
        with (in_flight or InFlight()).share() as share:
            return await read_body(request_of(chunks, headers), coding, share)

    return asyncio.run(go())


def test_chunks_become_one_body():
    assert read([b"a", b"bc", b""]) == b"abc"
    assert read([]) == b""


def test_a_body_that_never_ends_is_given_up():
    async def silent():
        await asyncio.Event().wait()

    async def go():
        with InFlight().share() as share:
            await read_body(Request({"type": "http", "headers": []}, silent), "identity", share, timeout_s=0.01)

    with pytest.raises(DeadlineError):
        asyncio.run(go())


@pytest.mark.parametrize("length", [b"x", b"-1", b"9" * 40])
def test_a_length_that_is_none_is_refused(length):
    with pytest.raises(InvalidError):
        read([], [(b"content-length", length)])


def test_compressed_bodies_have_a_limit_of_their_own():
    chunks = [bytes(MIB)] * (INGEST_COMPRESSED_BYTES // MIB + 1)
    with pytest.raises(TooLargeError):
        read(chunks, coding="gzip")
    assert len(read(chunks)) == len(chunks) * MIB


def test_bodies_in_flight_are_bounded_and_their_room_comes_back():
    in_flight = InFlight(limit_bytes=10)
    with in_flight.share() as other:
        other.add(6)
        with pytest.raises(UnavailableError):
            read([b"12345"], in_flight=in_flight)
        assert read([b"1234"], in_flight=in_flight) == b"1234"
    assert read([b"1234567890"], in_flight=in_flight) == b"1234567890"
