"""Events that tell of the subject of an erasure: they are kept for days after they are done, as they were written."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Text, and_, cast, func, or_, select, update

from strata_core.erasures.rules import ErasureKind, Selector, labels_of
from strata_core.listing.pages import oldest_first
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.tables.outbox import outbox

_AT_ONCE: Final = 500
_o = outbox.c
IS_DONE: Final = _o.state == "done"
_ALERT_TEXTS: Final = ("labels", "summary", "description")


def tells(selector: Selector) -> ColumnElement[bool]:
    if selector.kind is ErasureKind.PERSON:
        text = func.lower(cast(_o.payload, Text))
        return or_(*(func.strpos(text, _escaped(each).lower()) > 0 for each in selector.identifiers))
    labelled = [_o.payload["labels"][key].astext == value for key, value in labels_of(selector)]
    if selector.kind is ErasureKind.HOST:
        labelled.append(and_(_o.entity_kind == "host", _o.payload["name"].astext == selector.value))
    return or_(*labelled)


def redact(uow: UnitOfWork, selector: Selector) -> None:
    """Those that are not done yet: what they set in motion happens, and says nothing of the subject."""
    here = (_o.organization_id == uow.organization_id, ~IS_DONE)
    after: UUID | None = None
    while True:
        wanted = select(_o.id, _o.payload).where(*here, tells(selector))
        rows = uow.execute(oldest_first(wanted, _o.id, after=after, limit=_AT_ONCE)).all()
        for row in rows:
            values = {"payload": redacted(row.payload, selector)}
            uow.execute(update(outbox).where(*here, _o.id == row.id).values(**values))
        if not rows:
            return
        after = rows[-1].id


def redacted(payload: Mapping[str, Any], selector: Selector) -> dict[str, Any]:
    """What tells of it is emptied, and stays of its type."""
    if selector.kind is not ErasureKind.PERSON:
        names = (*_ALERT_TEXTS, "name")
        return {key: type(value)() if key in names and value is not None else value for key, value in payload.items()}
    wanted = [_escaped(each).lower() for each in selector.identifiers]
    return {
        key: type(value)() if any(each in _told(value) for each in wanted) else value for key, value in payload.items()
    }


def _told(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).lower()


def _escaped(text: str) -> str:
    """As it stands in the text of a JSON document."""
    return json.dumps(text, ensure_ascii=False)[1:-1]
