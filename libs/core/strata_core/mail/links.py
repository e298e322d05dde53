"""Secret links in mails. Their tokens are made anew from a key and the mail's id, so that they are stored nowhere."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

TOKEN_LENGTH: Final = 43
LINK_KEY_PURPOSE: Final = "mail links"


@dataclass(frozen=True, slots=True)
class LinkKey:
    """32 bytes, the same in the process that queues a mail and in the one that sends it."""

    key: bytes = field(repr=False)

    def token(self, mail_id: UUID) -> str:
        """256 bits that nobody guesses who lacks the key."""
        digest = hmac.digest(self.key, b"mail link\0" + mail_id.bytes, hashlib.sha256)
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def hash_link_token(token: str) -> bytes:
    """What is kept of a token, to know it by."""
    return hashlib.sha256(token.encode()).digest()
