"""What zstd's frames ask of whoever undoes them, found before anything is undone (RFC 8878)."""

from typing import Final

from strata_datamodel.limits import MIB

WINDOW_BYTES: Final = 8 * MIB
"""What RFC 9659 lets an HTTP client ask for: a frame may name a window of terabytes, which would have to be held."""

_MAGIC: Final = 0xFD2FB528
_SKIPPABLE: Final = 0x184D2A50
_SKIPPABLE_MASK: Final = 0xFFFFFFF0
_MAGIC_BYTES: Final = 4
_SIZE_BYTES: Final = 4
_BLOCK_HEADER_BYTES: Final = 3
_CHECKSUM_BYTES: Final = 4
_RUN_LENGTH: Final = 1
_RESERVED: Final = 3
_CONTENT_SIZE_BYTES: Final = (0, 2, 4, 8)
_DICTIONARY_BYTES: Final = (0, 1, 2, 4)
_PARTS: Final = 65_536  # blocks and frames: of half a gigabyte as compressors write it


class FrameError(ValueError):
    """Says what is wrong with the body, after the words "the compressed body is damaged:"."""


def check_frames(body: bytes) -> None:
    """Raises FrameError for what is no row of whole frames, for windows larger than WINDOW_BYTES, for dictionaries,
    which nobody here has, and for more parts than an honest body has."""
    at, parts = 0, 0
    while at < len(body):
        magic = _number(body, at, _MAGIC_BYTES)
        at += _MAGIC_BYTES
        if magic & _SKIPPABLE_MASK == _SKIPPABLE:
            at += _SIZE_BYTES + _number(body, at, _SIZE_BYTES)
            parts = _counted(parts)
        elif magic == _MAGIC:
            at, parts = _frame_end(body, at, parts)
        else:
            raise FrameError("it is not zstd, or has data after its end")
    if at > len(body) or not parts:
        raise FrameError("it ends too early")


def _frame_end(body: bytes, at: int, parts: int) -> tuple[int, int]:
    descriptor = _number(body, at, 1)
    at += 1
    is_single = bool(descriptor & 0x20)
    window = 0
    if not is_single:
        window = _window(_number(body, at, 1))
        at += 1
    dictionary = _DICTIONARY_BYTES[descriptor & 0x03]
    if dictionary and _number(body, at, dictionary):
        raise FrameError("it needs a dictionary")
    at += dictionary
    size = _CONTENT_SIZE_BYTES[descriptor >> 6] or int(is_single)
    if is_single:  # what it holds is its window, unless that is smaller anyway
        window = _number(body, at, size)
    if window > WINDOW_BYTES:
        raise FrameError(f"it needs a window of more than {WINDOW_BYTES} bytes")
    at, parts = _blocks_end(body, at + size, parts)
    return at + (_CHECKSUM_BYTES if descriptor & 0x04 else 0), parts


def _blocks_end(body: bytes, at: int, parts: int) -> tuple[int, int]:
    while True:
        parts = _counted(parts)
        header = _number(body, at, _BLOCK_HEADER_BYTES)
        kind, size = header >> 1 & 3, header >> 3
        if kind == _RESERVED:
            raise FrameError("its content is not valid")
        at += _BLOCK_HEADER_BYTES + (1 if kind == _RUN_LENGTH else size)
        if header & 1:
            return at, parts


def _window(byte: int) -> int:
    power = 1 << (10 + (byte >> 3))
    return power + power // 8 * (byte & 7)


def _counted(parts: int) -> int:
    if parts == _PARTS:
        raise FrameError("it is in too many parts")
    return parts + 1


def _number(body: bytes, at: int, size: int) -> int:
    if at + size > len(body):
        raise FrameError("it ends too early")
    return int.from_bytes(body[at : at + size], "little")
