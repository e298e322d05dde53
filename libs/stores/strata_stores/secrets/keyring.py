"""The wrapping keys: they stand in a file or a setting, never in the database."""

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strata_datamodel.errors import DeniedError, InvalidError

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_OTHERS_MAY: Final = 0o077


@dataclass(frozen=True, slots=True)
class WrappingKey:
    """The id is a fingerprint, so that a key keeps it wherever it is kept."""

    key: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        return hashlib.sha256(b"strata wrapping key id\0" + self.key).hexdigest()[:16]


class WrappingKeyring:
    """Wraps with the first key, unwraps with any: a new key goes in front, an old one stays until nothing needs it."""

    def __init__(self, keys: Sequence[WrappingKey]) -> None:
        if not keys or any(len(key.key) != KEY_BYTES for key in keys):
            raise InvalidError(f"a wrapping key has {KEY_BYTES} bytes", code="bad_wrapping_key")
        self._current = keys[0]
        self._by_id = {key.key_id: key for key in keys}
        self._path: Path | None = None

    @classmethod
    def from_base64(cls, text: str) -> Self:
        """One key, or several with commas between, the current one first."""
        return cls([WrappingKey(_decoded(part.strip())) for part in text.split(",")])

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """For embedded mode: the first start draws a key. Losing this file loses every sealed value."""
        if not path.exists():
            _create(path)
        keyring = cls(_read(path))
        keyring._path = path
        return keyring

    @property
    def current_id(self) -> str:
        return self._current.key_id

    def wrap(self, data_key: bytes, bound_to: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + AESGCM(self._current.key).encrypt(nonce, data_key, bound_to)

    def unwrap(self, key_id: str, wrapped: bytes, bound_to: bytes) -> bytes:
        key = self._by_id.get(key_id) or self._added_since(key_id)
        if key is None:
            raise DeniedError(
                f"the wrapping key {key_id} is not among the keys given",
                code="secret_unreadable",
                hint="put the key that was used before behind the current one",
            )
        try:
            return AESGCM(key.key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError):
            raise DeniedError("a data key is damaged or out of place", code="secret_unreadable") from None

    def derive(self, purpose: str) -> bytes:
        """A key for something else, the same in every process that has this current key."""
        return _derived(self._current, purpose)

    def derive_all(self, purpose: str) -> list[bytes]:
        """Of each key, the current one first: what was made with the derivate of an old key is still recognised."""
        keys = [self._current, *(key for key in self._by_id.values() if key != self._current)]
        return [_derived(key, purpose) for key in keys]

    def _added_since(self, key_id: str) -> WrappingKey | None:
        """A rotation puts a new key into the file while processes run that know the old ones only."""
        if self._path is not None:
            self._by_id |= {key.key_id: key for key in _read(self._path)}
        return self._by_id.get(key_id)


def _derived(key: WrappingKey, purpose: str) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"strata " + purpose.encode("utf-8")).derive(key.key)


def add_key_in_front(path: Path) -> WrappingKey:
    """Draws a key that wraps from now on; those before it stay in the file, and unwrap."""
    keys = [WrappingKey(secrets.token_bytes(KEY_BYTES)), *_read(path)]
    draft = _written_beside(path, keys)
    draft.replace(path)
    _sync_directory(path.parent)
    return keys[0]


def _read(path: Path) -> list[WrappingKey]:
    if path.stat().st_mode & _OTHERS_MAY:
        raise InvalidError(
            f"others may read the wrapping keys in {path}", code="bad_wrapping_key", hint=f"chmod 600 {path}"
        )
    try:
        return [WrappingKey(_decoded(entry["key"])) for entry in json.loads(path.read_bytes())["keys"]]
    except (ValueError, KeyError, TypeError):
        # Not chained: the parser's error carries a piece of the file.
        raise InvalidError(
            f"{path} is damaged", code="bad_wrapping_key", hint="restore it from a backup; a new one opens nothing"
        ) from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _written_beside(path, [WrappingKey(secrets.token_bytes(KEY_BYTES))])
    try:
        # A link, and not a rename: of two first starts at once both go on with the key of the faster one.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _written_beside(path: Path, keys: Sequence[WrappingKey]) -> Path:
    content = {"keys": [{"id": key.key_id, "key": base64.b64encode(key.key).decode("ascii")} for key in keys]}
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_directory(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise InvalidError("a wrapping key must be base64", code="bad_wrapping_key") from None
