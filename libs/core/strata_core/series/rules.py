"""What makes two series the same."""

import hashlib
from typing import Final

import msgspec

from strata_datamodel.metrics import SeriesKey

_BYTES: Final = 16


def fingerprint(key: SeriesKey) -> bytes:
    """Equal for equal keys, over restarts and machines; each part is delimited, so none can run into the next."""
    parts = (key.measurement, key.field, key.field_class.value, key.tags)
    return hashlib.blake2b(msgspec.msgpack.encode(parts), digest_size=_BYTES, person=b"strata.series").digest()
