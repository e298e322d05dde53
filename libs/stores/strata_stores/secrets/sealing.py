"""The form of a sealed value, and what it is bound to."""

import struct
from dataclasses import dataclass
from typing import Final

from strata_core.ports.secret_box import SecretPlace
from strata_datamodel.ids import OrganizationId
from strata_stores.secrets.keyring import NONCE_BYTES

_FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BI")  # format, version of the data key
_TAG_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Sealed:
    key_version: int
    nonce: bytes
    ciphertext: bytes


def encode_sealed(sealed: Sealed) -> bytes:
    return _HEAD.pack(_FORMAT, sealed.key_version) + sealed.nonce + sealed.ciphertext


def decode_sealed(raw: bytes) -> Sealed | None:
    if len(raw) < _HEAD.size + NONCE_BYTES + _TAG_BYTES or raw[0] != _FORMAT:
        return None
    _, version = _HEAD.unpack_from(raw)
    return Sealed(version, raw[_HEAD.size : _HEAD.size + NONCE_BYTES], raw[_HEAD.size + NONCE_BYTES :])


def bound_to_place(place: SecretPlace, key_version: int) -> bytes:
    """Each part has its length before it: no two places have the same bytes."""
    parts = (
        b"strata value",
        _HEAD.pack(_FORMAT, key_version),
        place.organization_id.bytes,
        place.table.encode("utf-8"),
        place.column.encode("utf-8"),
        place.row_id.bytes,
    )
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def bound_to_organization(organization_id: OrganizationId, key_version: int) -> bytes:
    return b"strata data key" + organization_id.bytes + struct.pack(">I", key_version)
