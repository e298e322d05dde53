"""Elasticsearch bulk bodies to log events, purely from the body and its envelope: a replay gives the same events.

Logs are append-only: index and create store, update and delete are refused item by item.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from strata_datamodel.errors import InvalidError, TooLargeError
from strata_datamodel.limits import LOG_DOCUMENT_BYTES, LOG_DOCUMENTS_PER_REQUEST
from strata_datamodel.logs import LogBatch, LogEvent, log_event_id, named_event_id
from strata_datamodel.spooling import Envelope, SpoolPosition
from strata_wire.log_documents import DocumentError, decode_document, index_day, read_document

INDEX: Final = "index"
"""The envelope parameter with the index of the request's path."""

DEFAULT_STREAM: Final = "logs"
_STREAM_BYTES: Final = 255
_ID_BYTES: Final = 512
_STORED: Final = frozenset({"index", "create"})
_REFUSED: Final = frozenset({"update", "delete"})
_LINES_PER_ITEM: Final = 2
_BLANK_LINES: Final = 1_000


@dataclass(frozen=True, slots=True)
class BulkError:
    type: str
    reason: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One action in the order of the request. `error` is None when its event is in the batch."""

    action: str
    index: str
    document_id: str
    error: BulkError | None


@dataclass(frozen=True, slots=True)
class ParsedBulk:
    batch: LogBatch
    items: tuple[BulkItem, ...]

    @property
    def rejections(self) -> int:
        return len(self.items) - len(self.batch.events)


@dataclass(frozen=True, slots=True)
class _Action:
    name: str
    stream: str
    client_id: str | None
    error: BulkError | None


def parse_bulk(body: bytes, envelope: Envelope, source: SpoolPosition | None = None) -> ParsedBulk:
    """Raises InvalidError for a line that is no action, since where documents begin is unknown then, and TooLargeError
    for more documents than a request may carry."""
    if body.count(b"\n") > LOG_DOCUMENTS_PER_REQUEST * _LINES_PER_ITEM + _BLANK_LINES:
        raise _too_many()
    events: list[LogEvent] = []
    items: list[BulkItem] = []
    for action, document in _pairs(body, envelope.parameters.get(INDEX, "")):
        place = len(items)
        if place >= LOG_DOCUMENTS_PER_REQUEST:
            raise _too_many()
        error = action.error
        event_id = action.client_id or log_event_id(
            envelope.received_at_ns, envelope.organization_id, envelope.batch_id, place
        )
        if error is None:
            try:
                events.append(_event(document, action, envelope, event_id))
            except DocumentError as refusal:
                error = BulkError("document_parsing_exception", str(refusal))
        items.append(BulkItem(action.name, action.stream, event_id, error))
    return ParsedBulk(LogBatch(envelope.organization_id, tuple(events), source), tuple(items))


def _event(raw: bytes, action: _Action, envelope: Envelope, event_id: str) -> LogEvent:
    if len(raw) > LOG_DOCUMENT_BYTES:
        raise DocumentError(f"the document is larger than {LOG_DOCUMENT_BYTES} bytes")
    read = read_document(decode_document(raw), raw)
    if action.client_id is not None:
        event_id = named_event_id(read.own_time_ns, envelope.organization_id, action.stream, action.client_id)
    time_ns = envelope.received_at_ns if read.own_time_ns is None else read.own_time_ns
    return LogEvent(
        event_id=event_id,
        day=index_day(time_ns, envelope.received_at_ns),
        timestamp_ns=time_ns,
        level=read.level,
        message=read.message,
        host_id=read.host_id,
        service_id=read.service_id,
        stream=action.stream,
        tags=read.tags,
        metadata=read.metadata,
    )


def _pairs(body: bytes, default_index: str) -> Iterator[tuple[_Action, bytes]]:
    lines = enumerate(body.split(b"\n"), start=1)
    seen: dict[bytes, _Action] = {}
    for number, line in lines:
        text = line.strip()
        if text:
            # Shippers that leave the ids to us send one and the same action for every document.
            action = seen.get(text)
            if action is None:
                action = _action(text, number, default_index)
                if action.client_id is None:
                    seen[text] = action
            # A delete has no document. A document missing at the end of a cut body is an error of its item.
            document = b"" if action.name == "delete" else next(lines, (0, b""))[1]
            yield action, document.strip()


def _action(line: bytes, number: int, default_index: str) -> _Action:
    try:
        decoded = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise _malformed(number, error.msg) from None
    if not isinstance(decoded, dict) or len(decoded) != 1:
        raise _malformed(number, "expected an object with one action")
    ((name, meta),) = decoded.items()
    if name not in _STORED | _REFUSED:
        raise _malformed(number, f"expected field [create], [delete], [index] or [update] but found [{name[:64]}]")
    if not isinstance(meta, dict):
        raise _malformed(number, f"expected an object after [{name}]")
    stream = meta.get("_index") or default_index or DEFAULT_STREAM
    client_id = meta.get("_id")
    if not isinstance(stream, str) or not isinstance(client_id, str | int | None):
        raise _malformed(number, "_index and _id are strings")
    client_id = None if client_id is None else str(client_id)
    return _Action(name, stream, client_id, _action_error(name, stream, client_id))


def _action_error(name: str, stream: str, client_id: str | None) -> BulkError | None:
    if name in _REFUSED:
        return BulkError("illegal_argument_exception", f"[{name}] is not supported: logs are append-only")
    if len(stream.encode()) > _STREAM_BYTES or "\0" in stream:
        return BulkError("invalid_index_name_exception", f"index names have at most {_STREAM_BYTES} bytes and no NUL")
    if client_id == "":
        return BulkError("illegal_argument_exception", "if _id is specified it must not be empty")
    if client_id is not None and len(client_id.encode()) > _ID_BYTES:
        return BulkError("illegal_argument_exception", f"_id is longer than {_ID_BYTES} bytes")
    return None


def _malformed(number: int, what: str) -> InvalidError:
    return InvalidError(f"Malformed action/metadata line [{number}], {what}", code="malformed_action")


def _too_many() -> TooLargeError:
    return TooLargeError(
        f"the body has more than {LOG_DOCUMENTS_PER_REQUEST} documents",
        code="documents_per_request",
        hint="send smaller batches",
    )
