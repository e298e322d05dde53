"""Writes the table of rights into docs/security/database-roles.md, from a migrated database of its own."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from strata_stores.embedded.postgres import EmbeddedPostgres
from strata_stores.postgres.migrating import upgrade

PAGE = Path(__file__).resolve().parent.parent / "docs/security/database-roles.md"
BEGIN, END = "<!-- made by tools/database_roles.py -->\n", "<!-- end -->\n"
ROLES = ("strata_app", "strata_worker", "strata_auditor", "strata_readonly")
LETTERS = {"SELECT": "S", "INSERT": "I", "UPDATE": "U", "DELETE": "D"}

RIGHTS = """
    SELECT c.relname AS table_name, r.rolname AS role, p.privilege,
        has_table_privilege(r.oid, c.oid, p.privilege) AS whole,
        CASE WHEN p.privilege = 'DELETE' THEN '{}' ELSE (
            SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND has_column_privilege(r.oid, c.oid, a.attnum, p.privilege)) END AS columns,
        (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS all_columns
    FROM pg_class c, pg_roles r, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) WITH ORDINALITY p (privilege, n)
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
      AND r.rolname IN ('strata_app', 'strata_worker', 'strata_auditor', 'strata_readonly')
    ORDER BY c.relname, r.rolname, p.n
"""
Row = Mapping[str, object]


def table(rows: Sequence[Row]) -> str:
    """In Markdown: a line for each table, a column for each role."""
    cells: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        cell = cells.setdefault(str(row["table_name"]), {}).setdefault(str(row["role"]), [])
        cell.extend(_right(row))
    head = f"| table | {' | '.join(f'`{role}`' for role in ROLES)} |\n|---|{'---|' * len(ROLES)}\n"
    lines = (
        f"| `{name}` | {' | '.join(_cell(rights.get(role, [])) for role in ROLES)} |\n"
        for name, rights in sorted(cells.items())
    )
    return head + "".join(lines)


def page_with(text: str, made: str) -> str:
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{made}{END}{after}"


def _cell(rights: Sequence[str]) -> str:
    """Whole rights as one word of letters, those to some columns after it."""
    whole = "".join(right for right in rights if len(right) == 1)
    return ", ".join(filter(None, [whole, *(right for right in rights if len(right) > 1)])) or "none"


def _right(row: Row) -> list[str]:
    letter = LETTERS[str(row["privilege"])]
    columns, every = _names(row["columns"]), _names(row["all_columns"])
    if row["whole"]:
        return [letter]
    if not columns:
        return []
    missing = [name for name in every if name not in columns]
    if len(missing) < len(columns):
        return [f"{letter} but for {', '.join(missing)}"]
    return [f"{letter} of {', '.join(columns)}"]


def _names(value: object) -> list[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def _fresh_database(use: Callable[[str], str]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="strata-"))
    server = EmbeddedPostgres(folder / "pg", folder / "run", settings={"fsync": "off"})
    try:
        server.start()
        server.create_database("strata")
        upgrade(server.url())
        return use(server.url())
    finally:
        server.stop()
        shutil.rmtree(folder)


def _made(url: str) -> str:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return table(connection.execute(RIGHTS).fetchall())


def main() -> int:
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), _fresh_database(_made)), "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
