"""The audit log as a file: CSV for spreadsheets, JSON lines for programs."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from strata_core.access.rules import require
from strata_core.audit.commands import record
from strata_core.audit.queries import AuditEntry, AuditFilter, audit_page, matching_entries
from strata_core.context import Context
from strata_core.instants import shown_instant
from strata_core.ports.unit_of_work import UnitOfWork
from strata_datamodel.errors import TooLargeError
from strata_datamodel.limits import AUDIT_EXPORT_PAGE, AUDIT_EXPORT_ROWS

Unit = Callable[[], AbstractContextManager[UnitOfWork]]
COLUMNS: Final = AuditEntry.__slots__
# What spreadsheets take for the start of a formula, also after blanks; with the wide forms that some of them fold.
_FORMULA_STARTS: Final = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_BLANKS: Final = " \u00a0\u200b\ufeff\0"


class ExportFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def begin_export(ctx: Context, uow: UnitOfWork, where: AuditFilter, form: ExportFormat) -> AuditFilter:
    """What to export: entries that are there by now. Itself audited. Raises TooLargeError rather than cut off."""
    require(ctx, "audit_log:read")
    now = uow.now()
    bounded = replace(where, until=now if where.until is None else min(where.until, now))
    rows = matching_entries(ctx, uow, bounded, at_most=AUDIT_EXPORT_ROWS + 1)
    if rows > AUDIT_EXPORT_ROWS:
        raise TooLargeError(
            f"more than {AUDIT_EXPORT_ROWS} entries match",
            code="export_too_large",
            hint="narrow it with `since` and `until`, and export piece by piece",
        )
    asked = {name: value for name in AuditFilter.__slots__ if (value := getattr(where, name)) is not None}
    after = {"format": form, "entries": rows, "filter": asked}
    record(ctx, uow, "audit_log.export", "organization", str(ctx.organization_id), after=after)
    return bounded


def exported(ctx: Context, unit: Unit, where: AuditFilter, form: ExportFormat) -> Iterator[bytes]:
    """Newest first, a page and a transaction at a time: memory does not grow with the export."""
    encode = _ENCODERS[form]
    if form is ExportFormat.CSV:
        yield _csv([COLUMNS])
    after: tuple[datetime, UUID] | None = None
    while True:
        with unit() as uow:
            page = audit_page(ctx, uow, limit=AUDIT_EXPORT_PAGE, after=after, where=where)
        if page:
            yield encode(page)
        if len(page) < AUDIT_EXPORT_PAGE:
            return
        after = (page[-1].at, page[-1].id)


def harmless(cell: str) -> str:
    """With an apostrophe in front where a spreadsheet would run it."""
    return f"'{cell}" if cell.lstrip(_BLANKS)[:1] in _FORMULA_STARTS and cell.strip(_BLANKS) else cell


def csv_page(entries: Sequence[AuditEntry]) -> bytes:
    return _csv([[harmless(_text(getattr(entry, name))) for name in COLUMNS] for entry in entries])


def json_lines(entries: Sequence[AuditEntry]) -> bytes:
    return "".join(f"{json.dumps(_document(entry))}\n" for entry in entries).encode("utf-8")


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8")


def _document(entry: AuditEntry) -> dict[str, object]:
    return {name: _plain(getattr(entry, name)) for name in COLUMNS}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return shown_instant(value)
    return str(value) if isinstance(value, UUID) else value


def _text(value: object) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    return plain if isinstance(plain, str) else json.dumps(plain, sort_keys=True)


_ENCODERS: Final = {ExportFormat.CSV: csv_page, ExportFormat.JSONL: json_lines}
