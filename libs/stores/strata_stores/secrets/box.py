"""AES-256-GCM under a data key per organization."""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from strata_core.ports.clock import Clock
from strata_core.ports.data_keys import INDEX_KEY_VERSION, DataKeys, WrappedKey
from strata_core.ports.secret_box import SecretPlace
from strata_datamodel.errors import DeniedError
from strata_datamodel.ids import OrganizationId
from strata_stores.secrets.keyring import KEY_BYTES, NONCE_BYTES, WrappingKeyring
from strata_stores.secrets.sealing import Sealed, bound_to_organization, bound_to_place, decode_sealed, encode_sealed

_FIRST_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class _Current:
    version: int
    looked_up_at_s: float


@dataclass(frozen=True, slots=True)
class _DataKey:
    version: int
    key: bytes = field(repr=False)


class AesGcmSecretBox:
    """Keeps the unwrapped keys of the last `cached_keys` uses in memory, and takes an organization's current version
    for current during `current_s`: so long do other processes go on sealing with the old key after a rotation."""

    def __init__(
        self,
        keys: DataKeys,
        wrapping: WrappingKeyring,
        clock: Clock,
        *,
        cached_keys: int = 256,
        current_s: float = 60.0,
    ) -> None:
        self._keys = keys
        self._wrapping = wrapping
        self._clock = clock
        self._cached_keys = cached_keys
        self._current_s = current_s
        self._lock = threading.Lock()
        self._unwrapped: OrderedDict[tuple[OrganizationId, int], _DataKey] = OrderedDict()
        self._current: OrderedDict[OrganizationId, _Current] = OrderedDict()

    def seal(self, place: SecretPlace, plaintext: bytes) -> bytes:
        key = self._current_key(place.organization_id)
        nonce = secrets.token_bytes(NONCE_BYTES)
        ciphertext = AESGCM(key.key).encrypt(nonce, plaintext, bound_to_place(place, key.version))
        return encode_sealed(Sealed(key.version, nonce, ciphertext))

    def open(self, place: SecretPlace, ciphertext: bytes) -> bytes:
        sealed = decode_sealed(ciphertext)
        if sealed is None or sealed.key_version < _FIRST_VERSION:
            raise _unreadable()
        key = self._key(place.organization_id, sealed.key_version)
        if key is None:
            raise _unreadable()
        try:
            return AESGCM(key.key).decrypt(sealed.nonce, sealed.ciphertext, bound_to_place(place, sealed.key_version))
        except InvalidTag:
            raise _unreadable() from None

    def blind_index(self, organization_id: OrganizationId, purpose: str, plaintext: bytes) -> bytes:
        """Under a key of its own that outlives the data keys: stored indexes stay comparable over rotations."""
        key = self._key(organization_id, INDEX_KEY_VERSION) or self._add(organization_id, INDEX_KEY_VERSION)
        purpose_key = HKDF(SHA256(), KEY_BYTES, salt=None, info=purpose.encode("utf-8")).derive(key.key)
        return hmac.new(purpose_key, plaintext, hashlib.sha256).digest()

    def rotate(self, organization_id: OrganizationId) -> int:
        """A new data key for what is sealed from now on; what was sealed stays readable."""
        newest = self._keys.current(organization_id)
        key = self._add(organization_id, newest.version + 1 if newest else _FIRST_VERSION)
        self._remember_current(organization_id, key.version)
        return key.version

    def rewrap(self, organization_id: OrganizationId) -> int:
        keys = self._keys.every(organization_id)
        return sum(self._rewrapped(key) for key in keys if key.wrapping_key_id != self._wrapping.current_id)

    def _rewrapped(self, wrapped: WrappedKey) -> bool:
        place = bound_to_organization(wrapped.organization_id, wrapped.version)
        key = self._wrapping.unwrap(wrapped.wrapping_key_id, wrapped.wrapped, place)
        return self._keys.replace(wrapped, self._wrapping.wrap(key, place), self._wrapping.current_id)

    def _current_key(self, organization_id: OrganizationId) -> _DataKey:
        with self._lock:
            current = self._current.get(organization_id)
        if current and self._clock.monotonic_s() - current.looked_up_at_s < self._current_s:
            key = self._key(organization_id, current.version)
            if key is not None:
                return key
        wrapped = self._keys.current(organization_id)
        key = self._unwrap(wrapped) if wrapped else self._add(organization_id, _FIRST_VERSION)
        self._remember_current(organization_id, key.version)
        return key

    def _remember_current(self, organization_id: OrganizationId, version: int) -> None:
        with self._lock:
            self._current[organization_id] = _Current(version, self._clock.monotonic_s())
            self._current.move_to_end(organization_id)
            while len(self._current) > self._cached_keys:
                self._current.popitem(last=False)

    def _key(self, organization_id: OrganizationId, version: int) -> _DataKey | None:
        with self._lock:
            key = self._unwrapped.get((organization_id, version))
            if key is not None:
                self._unwrapped.move_to_end((organization_id, version))
                return key
        wrapped = self._keys.get(organization_id, version)
        return self._unwrap(wrapped) if wrapped else None

    def _add(self, organization_id: OrganizationId, version: int) -> _DataKey:
        fresh = secrets.token_bytes(KEY_BYTES)
        wrapped = self._wrapping.wrap(fresh, bound_to_organization(organization_id, version))
        # Another process may have been faster: the key that stands is the one to use.
        return self._unwrap(self._keys.add(organization_id, version, wrapped, self._wrapping.current_id))

    def _unwrap(self, wrapped: WrappedKey) -> _DataKey:
        place = bound_to_organization(wrapped.organization_id, wrapped.version)
        key = _DataKey(wrapped.version, self._wrapping.unwrap(wrapped.wrapping_key_id, wrapped.wrapped, place))
        with self._lock:
            self._unwrapped[wrapped.organization_id, wrapped.version] = key
            self._unwrapped.move_to_end((wrapped.organization_id, wrapped.version))
            while len(self._unwrapped) > self._cached_keys:
                self._unwrapped.popitem(last=False)
        return key


def _unreadable() -> DeniedError:
    return DeniedError("the stored secret cannot be read", code="secret_unreadable")
