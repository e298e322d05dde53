"""Encrypts single values so that a copy of the database alone gives nothing away."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from strata_datamodel.ids import OrganizationId


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a ciphertext belongs. Moved to another row, column or organization it does not open."""

    organization_id: OrganizationId
    table: str
    column: str
    row_id: UUID


class SecretBox(Protocol):
    """AES-256-GCM under a data key per organization, which is wrapped by a key outside the database."""

    def seal(self, place: SecretPlace, plaintext: bytes) -> bytes:
        """A new ciphertext each time. It names the data key's version."""
        ...

    def open(self, place: SecretPlace, ciphertext: bytes) -> bytes:
        """Raises DeniedError (code `secret_unreadable`) for a wrong place, a damaged text or a missing key;
        the error tells nothing of the content."""
        ...

    def blind_index(self, organization_id: OrganizationId, purpose: str, plaintext: bytes) -> bytes:
        """Equal inputs give equal 32 bytes, within one organization and purpose only."""
        ...
