"""What is signed: canonical JSON, so that a receipt that was printed, mailed and typed in again can be checked."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

from strata_core.ports.anchor_signer import AnchorSigner
from strata_datamodel.errors import InvalidError
from strata_datamodel.limits import RECEIPT_BYTES

FORM: Final = "strata receipt 1"
_BAD: Final = "this is no receipt"


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """`content` is what was signed, byte for byte."""

    content: bytes
    public_key: str
    signature: bytes


def canonical(document: Mapping[str, object]) -> bytes:
    """The same bytes for the same document, for ever and for anybody: sorted keys, no spaces, ASCII, no fractions."""
    whole = {**document, "form": FORM}
    return json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def signed(content: bytes, signer: AnchorSigner) -> SignedReceipt:
    return SignedReceipt(content, signer.public_key, signer.sign(content))


def shown(receipt: SignedReceipt) -> dict[str, object]:
    """What is handed out, and what `read` takes."""
    return {
        "receipt": json.loads(receipt.content),
        "public_key": receipt.public_key,
        "signature": base64.b64encode(receipt.signature).decode("ascii"),
    }


def printed(receipt: SignedReceipt) -> str:
    return json.dumps(shown(receipt), sort_keys=True, indent=2, ensure_ascii=True) + "\n"


def read(text: bytes) -> SignedReceipt:
    """However it is spaced and ordered. Raises InvalidError (code `bad_receipt`)."""
    if len(text) > RECEIPT_BYTES:
        raise InvalidError(_BAD, code="bad_receipt")
    try:
        given = json.loads(text, parse_float=_refuse, parse_constant=_refuse)
        document = given["receipt"]
        if document["form"] != FORM:
            raise InvalidError("this receipt is of a form that is not known here", code="bad_receipt")
        signature = base64.b64decode(given["signature"], validate=True)
        return SignedReceipt(canonical(document), str(given["public_key"]), signature)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise InvalidError(_BAD, code="bad_receipt") from None


def is_genuine(receipt: SignedReceipt, signer: AnchorSigner) -> bool:
    """Also false for a key that is not trusted."""
    return signer.is_signed(receipt.public_key, receipt.content, receipt.signature)


def instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def document_of(receipt: SignedReceipt) -> Mapping[str, object]:
    return cast("Mapping[str, object]", json.loads(receipt.content))


def _refuse(_: str) -> object:
    raise InvalidError(_BAD, code="bad_receipt")
