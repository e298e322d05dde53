"""The tag on a ring: whoever can write to the doorbell's server, but lacks the key, cannot make a worker listen."""

import hashlib
import hmac
from typing import Final

from strata_datamodel.ids import OutboxId

FUNCTION: Final = "strata_workers.jobs.answer"
"""The one function a ring may name. Workers compare it; they never import what a ring says."""


def sign(ring_key: bytes, outbox_id: OutboxId) -> str:
    return hmac.new(ring_key, f"{FUNCTION}\n{outbox_id}".encode("ascii"), hashlib.sha256).hexdigest()


def verify(ring_key: bytes, outbox_id: OutboxId, tag: str) -> bool:
    return hmac.compare_digest(sign(ring_key, outbox_id).encode("ascii"), tag.encode("utf-8", "replace"))
