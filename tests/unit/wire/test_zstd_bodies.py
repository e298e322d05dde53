"""Bodies in zstd: what comes back, and what is refused before it costs anything."""

import random
import tracemalloc
from contextlib import suppress

import pytest
from cramjam import zstd
from hypothesis import given
from hypothesis import strategies as st

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import DECOMPRESSION_RATIO_FLOOR_BYTES, MIB
from strata_wire.decompression import ZSTD, coding_of, decompress

MAGIC = (0xFD2FB528).to_bytes(4, "little")
SKIPPABLE = (0x184D2A53).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"


def packed(plain: bytes, level: int = 3) -> bytes:
    return bytes(zstd.compress(plain, level))


def packed_in_pieces(plain: bytes) -> bytes:
    """As one that streams does, who does not know the length when it begins."""
    packer = zstd.Compressor()
    pieces = []
    for at in range(0, len(plain), 1_000):
        packer.compress(plain[at : at + 1_000])
        pieces.append(bytes(packer.flush()))
    return b"".join([*pieces, bytes(packer.finish())])


@given(st.binary(max_size=100_000), st.sampled_from([1, 3, 19]))
def test_what_was_compressed_comes_back(plain, level):
    assert decompress(packed(plain, level), ZSTD) == plain


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_791, 65_792, 131_072, 1_048_577, 5_000_000])
def test_sizes_around_what_headers_tell_come_back_whole(size):
    plain = random.Random(size).randbytes(size)
    assert decompress(packed(plain), ZSTD) == plain
    assert decompress(packed_in_pieces(plain[:200_000]), ZSTD) == plain[:200_000]


def test_frames_after_each_other_are_one_body_and_some_are_passed_over():
    assert decompress(SKIPPABLE + packed(b"a\n") + SKIPPABLE + packed_in_pieces(b"b\n"), ZSTD) == b"a\nb\n"


def test_a_bomb_is_refused_in_bounded_memory():
    bomb = packed(bytes(400 * MIB), 19)
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decompress(bomb, ZSTD)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 70 * MIB
    assert len(bomb) < DECOMPRESSION_RATIO_FLOOR_BYTES


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"cpu v=1",
        MAGIC,
        packed(b"cpu v=1\n" * 100)[:-1],
        packed(b"cpu v=1\n" * 100) + b"tail",
        MAGIC + b"\x00" + bytes([(14 << 3)]) + b"\x01\x00\x00",  # a window of 16 MiB
        MAGIC + b"\x00" + bytes([(31 << 3)]) + b"\x01\x00\x00",  # one of two terabytes
        MAGIC + b"\xe0" + (9 * MIB).to_bytes(8, "little") + b"\x01\x00\x00",
        MAGIC + b"\x01\x00\x07" + b"\x01\x00\x00",  # dictionary 7
        MAGIC + b"\x00\x00" + b"\x07\x00\x00",  # a kind of block that there is not
        MAGIC + b"\x00\x00" + b"\x00\x00\x00" * 70_000 + b"\x01\x00\x00",
        SKIPPABLE[:8],
    ],
)
def test_what_is_no_honest_zstd_is_damaged(body):
    with pytest.raises(InvalidError) as caught:
        decompress(body, ZSTD)
    assert caught.value.code == "bad_compression"


@given(st.binary(max_size=300), st.integers(0, 200), st.integers(0, 255))
def test_any_damage_is_told_or_harmless(plain, place, byte):
    body = bytearray(packed(plain * 20))
    body[place % len(body)] = byte
    with suppress(InvalidError, TooLargeError):
        decompress(bytes(body), ZSTD)


def test_the_header_names_it():
    assert coding_of("zstd") == coding_of(" ZSTD ") == ZSTD
