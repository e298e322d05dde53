import gzip
import random
import tracemalloc
import zlib

import pytest
from cramjam import snappy
from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.errors import InvalidError, StrataError, TooLargeError
from strata_datamodel.limits import DECOMPRESSION_RATIO_FLOOR_BYTES, MIB
from strata_wire.decompression import coding_of, decompress


def _raw_deflate(plain: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(plain) + packer.flush()


@given(st.binary(max_size=200_000), st.sampled_from(["gzip", "deflate", "raw"]))
def test_what_was_compressed_comes_back(plain, form):
    if form == "gzip":
        assert decompress(gzip.compress(plain), "gzip") == plain
    else:
        assert decompress(zlib.compress(plain) if form == "deflate" else _raw_deflate(plain), "deflate") == plain


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_048_576, 1_048_577, 3_000_000])
def test_sizes_around_the_chunks_come_back_whole(size):
    plain = random.Random(size).randbytes(size)
    assert decompress(gzip.compress(plain), "gzip") == plain


def test_concatenated_members_are_one_body():
    assert decompress(gzip.compress(b"a\n") + gzip.compress(b"b\n"), "gzip") == b"a\nb\n"


def test_a_bomb_is_refused_in_bounded_memory():
    bomb = gzip.compress(bytes(400 * MIB), compresslevel=9)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decompress(bomb, "gzip")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 70 * MIB


def test_a_small_bomb_is_stopped_by_its_ratio():
    with pytest.raises(TooLargeError):
        decompress(gzip.compress(bytes(3 * DECOMPRESSION_RATIO_FLOOR_BYTES)), "gzip")


def test_a_short_repetitive_body_may_pass_the_ratio():
    plain = bytes(DECOMPRESSION_RATIO_FLOOR_BYTES)
    assert decompress(gzip.compress(plain), "gzip") == plain


def test_the_limit_itself_is_allowed_and_one_more_is_not():
    assert decompress(gzip.compress(b"x" * 1000), "gzip", limit_bytes=1000) == b"x" * 1000
    for body, coding in ((gzip.compress(b"x" * 1001), "gzip"), (b"x" * 1001, "identity")):
        with pytest.raises(TooLargeError):
            decompress(body, coding, limit_bytes=1000)


@pytest.mark.parametrize("cut", [1, 8, 9, 20])
def test_a_cut_stream_is_damaged_not_short(cut):
    with pytest.raises(InvalidError) as caught:
        decompress(gzip.compress(b"cpu v=1\n" * 100)[:-cut], "gzip")
    assert caught.value.code == "bad_compression"


def test_a_wrong_checksum_and_trailing_bytes_are_damage():
    packed = bytearray(gzip.compress(b"cpu v=1\n" * 100))
    with pytest.raises(InvalidError):
        decompress(bytes(packed) + b"tail", "gzip")
    packed[-6] ^= 1
    with pytest.raises(InvalidError):
        decompress(bytes(packed), "gzip")


def test_endless_empty_members_are_refused():
    with pytest.raises(InvalidError):
        decompress(gzip.compress(b"") * 5_000, "gzip")


@given(st.binary(max_size=2_000), st.sampled_from(["gzip", "deflate"]))
def test_arbitrary_bytes_give_an_answer_or_a_strata_error(body, coding):
    try:
        decompress(body, coding)
    except StrataError:
        return


def test_codings_are_recognised_and_chains_refused():
    assert [coding_of(name) for name in (None, "", "GZIP", "x-gzip", " deflate ", "identity")] == [
        "identity",
        "identity",
        "gzip",
        "gzip",
        "deflate",
        "identity",
    ]
    for name in ("gzip, gzip", "br", "snappy"):
        with pytest.raises(InvalidError):
            coding_of(name)


@given(st.binary(max_size=200_000))
def test_a_snappy_block_comes_back(plain):
    assert decompress(bytes(snappy.compress_raw(plain)), "snappy") == plain


@pytest.mark.parametrize("damage", [b"", b"\x80", b"\x05abc", bytes(snappy.compress_raw(bytes(100)))[:-1], b"\xff" * 9])
def test_a_damaged_snappy_block_is_not_taken(damage):
    with pytest.raises(InvalidError):
        decompress(damage, "snappy")


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff\x0f" + bytes(100_000), b"\x80\x80\x80\x10" + bytes(1_000)])
def test_a_snappy_block_that_says_too_much_is_refused_before_anything_is_held(body):
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decompress(body, "snappy")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB
