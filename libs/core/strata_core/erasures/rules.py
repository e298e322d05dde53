"""What an erasure is about, and how each store knows it. Pure."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from strata_core.logs.attributes import FIXED_NAMES
from strata_core.logs.words import words_of
from strata_datamodel.errors import InvalidError, Problem
from strata_datamodel.ids import UserId
from strata_datamodel.limits import (
    ERASURE_IDENTIFIER_LENGTH_MIN,
    ERASURE_IDENTIFIERS,
    NAME_LENGTH,
    TAG_VALUE_BYTES,
)
from strata_datamodel.logs import AttributeHolds, FieldIs, LogFilter, Or, Text
from strata_datamodel.metrics import TagPair

HOST_TAGS: Final = ("host", "host_id", "hostname", "host.name", "host.id")
"""The names under which senders say on which host something is."""
ERASED: Final = "erased"
"""Stands where a value was, in rows that have to stay."""


class ErasureKind(StrEnum):
    PERSON = "person"
    HOST = "host"
    LABEL = "label"


@dataclass(frozen=True, slots=True)
class Selector:
    """Of a person, `user_id` (None for somebody without an account) and the texts by which others know them; of a host
    its name in `value`; of a label `key` and `value`."""

    kind: ErasureKind
    key: str = ""
    value: str = ""
    user_id: UserId | None = None
    identifiers: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "key": self.key,
            "value": self.value,
            "user_id": None if self.user_id is None else str(self.user_id),
            "identifiers": list(self.identifiers),
        }


def selector_from(document: Mapping[str, Any]) -> Selector:
    """Of a document that `Selector.document` made."""
    return Selector(
        ErasureKind(document["kind"]),
        document["key"],
        document["value"],
        None if document["user_id"] is None else UserId(UUID(document["user_id"])),
        tuple(document["identifiers"]),
    )


def check_selector(selector: Selector) -> Selector:
    """Raises InvalidError (code `bad_erasure`): for what is missing, and for what would take too much with it."""
    problems: list[Problem] = []
    if selector.kind is ErasureKind.PERSON:
        identifiers = tuple(dict.fromkeys(each.strip() for each in selector.identifiers if each.strip()))
        selector = Selector(selector.kind, user_id=selector.user_id, identifiers=identifiers)
        if not identifiers and selector.user_id is None:
            problems.append(Problem("/person", "a user_id, or an identifier at least"))
        if len(identifiers) > ERASURE_IDENTIFIERS:
            problems.append(Problem("/person/identifiers", f"at most {ERASURE_IDENTIFIERS}"))
        problems += [
            Problem(f"/person/identifiers/{place}", f"{ERASURE_IDENTIFIER_LENGTH_MIN} to {NAME_LENGTH} characters")
            for place, text in enumerate(identifiers)
            if not ERASURE_IDENTIFIER_LENGTH_MIN <= len(text) <= NAME_LENGTH or not "".join(words_of(text))
        ]
    else:
        if not selector.value or len(selector.value.encode()) > TAG_VALUE_BYTES:
            problems.append(Problem("/value", f"1 to {TAG_VALUE_BYTES} bytes"))
        if selector.kind is ErasureKind.LABEL and (not selector.key or len(selector.key) > NAME_LENGTH):
            problems.append(Problem("/key", f"1 to {NAME_LENGTH} characters"))
    if problems:
        raise InvalidError("this cannot be erased", code="bad_erasure", problems=problems)
    return selector


def events_of(selector: Selector) -> LogFilter:
    """The log events that tell of it."""
    match selector.kind:
        case ErasureKind.HOST:
            roots = [f"{tree}.{name}" for tree in ("tags", "metadata") for name in HOST_TAGS]
            return Or(tuple(FieldIs(name, selector.value) for name in ("host_id", *roots)))
        case ErasureKind.LABEL:
            names = [f"tags.{selector.key}", f"metadata.{selector.key}"]
            names += [selector.key] if selector.key in FIXED_NAMES else []
            return Or(tuple(FieldIs(name, selector.value) for name in names))
        case ErasureKind.PERSON:
            texts = tuple(Text(each, phrase=True) for each in selector.identifiers)
            return Or(texts + tuple(AttributeHolds(each) for each in selector.identifiers))


def tags_of(selector: Selector, known: Iterable[TagPair]) -> list[TagPair]:
    """The tags of series that tell of it. `known` are the organization's: a person may be in the value of any."""
    match selector.kind:
        case ErasureKind.HOST:
            return [(name, selector.value) for name in HOST_TAGS]
        case ErasureKind.LABEL:
            return [(selector.key, selector.value)]
        case ErasureKind.PERSON:
            wanted = [each.casefold() for each in selector.identifiers]
            return [pair for pair in known if any(each in pair[1].casefold() for each in wanted)]


def labels_of(selector: Selector) -> Sequence[TagPair]:
    """Of a host or a label: the labels of alerts and of what is in the inventory."""
    return [] if selector.kind is ErasureKind.PERSON else tags_of(selector, ())


def needles(selector: Selector) -> tuple[bytes, ...]:
    """What raw bytes hold that tell of it: all of these for a label, any of these for the others."""
    if selector.kind is ErasureKind.PERSON:
        return tuple(each.encode() for each in selector.identifiers)
    return tuple(text.encode() for text in (selector.key, selector.value) if text)


def subject_digest(erasure_id: UUID, selector: Selector) -> str:
    """Proves to whoever knows what was erased that a receipt is about it, and tells nobody else."""
    told = json.dumps(selector.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(erasure_id.bytes + told.encode("ascii")).hexdigest()


def pseudonym(erasure_id: UUID) -> str:
    return f"{ERASED}-{erasure_id.hex[-12:]}"
