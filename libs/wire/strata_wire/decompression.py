"""Undo a content coding without ever holding more than a bound says."""

from typing import Final, Protocol

import pyarrow as pa
from cramjam import DecompressionError, snappy
from isal import isal_zlib

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import DECOMPRESSION_RATIO, DECOMPRESSION_RATIO_FLOOR_BYTES, INGEST_BODY_BYTES
from strata_wire.zstd_frames import FrameError, check_frames

IDENTITY: Final = "identity"
GZIP: Final = "gzip"
DEFLATE: Final = "deflate"
ZSTD: Final = "zstd"
SNAPPY: Final = "snappy"
"""One block, without the frames of its file format: what Prometheus means by the word."""

_CODINGS: Final = {
    "": IDENTITY,
    "identity": IDENTITY,
    "gzip": GZIP,
    "x-gzip": GZIP,
    "deflate": DEFLATE,
    "zstd": ZSTD,
}
_GZIP_WRAPPER: Final = 31
_ZLIB_WRAPPER: Final = 15
_NO_WRAPPER: Final = -15
_INPUT_CHUNK: Final = 64 * 1024
_OUTPUT_CHUNK: Final = 1024 * 1024
_ZLIB_METHOD: Final = 8
_LENGTH_BYTES: Final = 5  # of a snappy block's length, which has 32 bits at most
_MEMBERS: Final = 2_048  # parallel compressors write one a 64 KiB block; each costs a copy of what follows


class _Inflater(Protocol):
    eof: bool
    unused_data: bytes
    unconsumed_tail: bytes

    def decompress(self, data: bytes | memoryview, max_length: int, /) -> bytes: ...


def coding_of(content_encoding: str | None) -> str:
    """The one coding a Content-Encoding header names. A chain of codings is refused: it serves bombs, not shippers."""
    coding = _CODINGS.get((content_encoding or "").strip().lower())
    if coding is None:
        raise InvalidError(
            f"content encoding {content_encoding!r} is not supported",
            code="unsupported_encoding",
            hint="send gzip, zstd, deflate or identity",
        )
    return coding


def decompress(body: bytes, coding: str, *, limit_bytes: int = INGEST_BODY_BYTES) -> bytes:
    """The plain body. Raises TooLargeError past `limit_bytes` or past the ratio no honest body reaches, having
    held no more than the lower of the two, and InvalidError for a damaged or cut stream."""
    if coding == IDENTITY:
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    bound = min(limit_bytes, max(DECOMPRESSION_RATIO_FLOOR_BYTES, DECOMPRESSION_RATIO * len(body)))
    if coding == SNAPPY:
        return _snappy_block(body, bound)
    if coding == ZSTD:
        return _zstd(body, bound)
    if coding == GZIP:
        return _inflate(body, _GZIP_WRAPPER, bound, many_members=True)
    return _inflate(body, _ZLIB_WRAPPER if _has_zlib_header(body) else _NO_WRAPPER, bound, many_members=False)


def _snappy_block(body: bytes, bound: int) -> bytes:
    """What a block says of its length is looked at before anything is held of it."""
    length = 0
    for place, byte in enumerate(body[:_LENGTH_BYTES]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            break
    else:
        raise _damaged("it does not say how long it is")
    if length > bound:
        raise _too_large(bound)
    try:
        return bytes(snappy.decompress_raw(body))
    except DecompressionError as error:
        raise _damaged("its content is not valid") from error


def _zstd(body: bytes, bound: int) -> bytes:
    chunks: list[bytes] = []
    room = bound
    try:
        check_frames(body)
        with pa.CompressedInputStream(pa.BufferReader(body), "zstd") as stream:
            while chunk := stream.read(min(_OUTPUT_CHUNK, room + 1)):
                room -= len(chunk)
                if room < 0:
                    raise _too_large(bound)
                chunks.append(chunk)
    except FrameError as error:
        raise _damaged(str(error)) from error
    except OSError as error:
        raise _damaged("its content is not valid") from error
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _inflate(body: bytes, wrapper: int, bound: int, *, many_members: bool) -> bytes:
    chunks: list[bytes] = []
    room = bound
    stream = memoryview(body)
    at = 0
    members = 1
    inflater: _Inflater = isal_zlib.decompressobj(wbits=wrapper)
    while at < len(stream):
        if inflater.eof:
            members += 1
            if not many_members or members > _MEMBERS:
                raise _damaged("data after its end")
            inflater = isal_zlib.decompressobj(wbits=wrapper)
        # Small input slices: isal hands back the unused tail as a copy; copying all the rest each time is quadratic.
        piece: bytes | memoryview = stream[at : at + _INPUT_CHUNK]
        at += len(piece)
        while True:
            plain = _step(inflater, piece, min(_OUTPUT_CHUNK, room + 1))
            room -= len(plain)
            if room < 0:
                raise _too_large(bound)
            chunks.append(plain)
            piece = inflater.unconsumed_tail
            if inflater.eof:
                at -= len(inflater.unused_data)
                break
            if not piece and not plain:
                break
    if not inflater.eof:
        raise _damaged("it ends too early")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _step(inflater: _Inflater, piece: bytes | memoryview, max_length: int) -> bytes:
    try:
        return inflater.decompress(piece, max_length)
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # the stub gives an instance where the class is
        raise _damaged("its content is not valid") from error


def _has_zlib_header(body: bytes) -> bool:
    # Browsers and old agents send raw deflate under the same name; RFC 1950 headers are a multiple of 31.
    return len(body) > 1 and body[0] & 0x0F == _ZLIB_METHOD and int.from_bytes(body[:2], "big") % 31 == 0


def _too_large(bound: int) -> TooLargeError:
    return TooLargeError(
        f"the body is larger than {bound} bytes once decompressed",
        code="body_too_large",
        hint="send it in smaller parts",
    )


def _damaged(what: str) -> InvalidError:
    return InvalidError(f"the compressed body is damaged: {what}", code="bad_compression")
