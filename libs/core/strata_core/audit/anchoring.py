"""Anchors: signed heads of the chain, kept outside the table, so that not even its owner can rewrite it unnoticed."""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select, update

from strata_core.ports.anchor_signer import AnchorSigner
from strata_core.ports.archive import Archive
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import InvalidError
from strata_datamodel.ids import OrganizationId
from strata_datamodel.tables.audit import audit_heads
from strata_datamodel.tables.erasing import tombstones

FOLDER: Final = "audit-anchors"
ANCHOR_EVERY: Final = timedelta(minutes=5)
"""While rows come in: so much of a chain's end can be cut off unnoticed at most."""
ANCHOR_IDLE: Final = timedelta(seconds=30)
"""After the last row: a chain that rests is anchored soon."""


@dataclass(frozen=True, slots=True)
class Anchor:
    organization_id: OrganizationId
    seq: int
    hash: bytes
    at: datetime
    public_key: str
    signature: bytes

    @property
    def key(self) -> str:
        """In the archive, where names sort as the chain does. A new name each time: nothing is ever overwritten."""
        return f"{FOLDER}/{self.seq:020}-{self.at:%Y%m%dT%H%M%S}.json"


def signed_text(organization_id: OrganizationId, seq: int, digest: bytes, at: datetime) -> bytes:
    parts = ["strata audit anchor 1", str(organization_id), str(seq), digest.hex(), _instant(at)]
    return "\n".join(parts).encode("ascii")


def due_heads(uow: UnitOfWork, *, limit: int) -> list[Anchor]:
    """In a system-wide unit: heads to be anchored now, not yet signed. None of an organization that is being deleted:
    its anchors are going as well."""
    now = uow.now()
    rested = audit_heads.c.sealed_at <= now - ANCHOR_IDLE
    waited = (audit_heads.c.anchored_at <= now - ANCHOR_EVERY) | audit_heads.c.anchored_at.is_(None)
    closed = select(tombstones.c.slug).where(tombstones.c.organization_id == audit_heads.c.organization_id)
    wanted = select(audit_heads).where(
        audit_heads.c.seq > audit_heads.c.anchored_seq, rested | waited, ~closed.exists()
    )
    return [
        Anchor(OrganizationId(row.organization_id), row.seq, bytes(row.hash), now, "", b"")
        for row in uow.execute(wanted.limit(limit))
    ]


def signed(head: Anchor, signer: AnchorSigner) -> Anchor:
    text = signed_text(head.organization_id, head.seq, head.hash, head.at)
    return Anchor(head.organization_id, head.seq, head.hash, head.at, signer.public_key, signer.sign(text))


def note_anchored(uow: UnitOfWork, anchor: Anchor) -> None:
    """After the anchor stands: a crash between the two leaves one anchor more, which does no harm."""
    uow.execute(
        update(audit_heads)
        .where(audit_heads.c.organization_id == anchor.organization_id, audit_heads.c.anchored_seq < anchor.seq)
        .values(anchored_seq=anchor.seq, anchored_at=anchor.at)
    )


def encoded(anchor: Anchor) -> bytes:
    document = {
        "organization_id": str(anchor.organization_id),
        "seq": anchor.seq,
        "hash": anchor.hash.hex(),
        "at": _instant(anchor.at),
        "public_key": anchor.public_key,
        "signature": base64.b64encode(anchor.signature).decode("ascii"),
    }
    return json.dumps(document, sort_keys=True).encode("ascii")


def decoded(content: bytes) -> Anchor:
    """Raises InvalidError (code `bad_anchor`)."""
    try:
        document = json.loads(content)
        return Anchor(
            organization_id=OrganizationId(UUID(document["organization_id"])),
            seq=int(document["seq"]),
            hash=bytes.fromhex(document["hash"]),
            at=datetime.strptime(document["at"], "%Y-%m-%dT%H:%M:%S.%f%z"),
            public_key=str(document["public_key"]),
            signature=base64.b64decode(document["signature"], validate=True),
        )
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        raise InvalidError("an anchor cannot be read", code="bad_anchor") from None


def anchors_of(archive: Archive, organization_id: OrganizationId) -> Iterator[tuple[str, Anchor | None]]:
    """By name, in the order of the chain; None for what cannot be read."""
    for found in archive.listing(organization_id, FOLDER):
        try:
            yield found.key, decoded(archive.get(organization_id, found.key))
        except InvalidError:
            yield found.key, None


def is_genuine(anchor: Anchor, organization_id: OrganizationId, signer: AnchorSigner) -> bool:
    text = signed_text(organization_id, anchor.seq, anchor.hash, anchor.at)
    return anchor.organization_id == organization_id and signer.is_signed(anchor.public_key, text, anchor.signature)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
