"""Users of an older system are taken over without loss, as often as one likes."""

import csv
import json

import pytest

from fixtures.relational import Database
from strata_cli.importing import Importer, Report, read_rows
from strata_core.access.permissions import PERMISSIONS
from strata_core.context import Actor, ActorKind, Context
from strata_core.people.legacy import secrets_place
from strata_datamodel.errors import InvalidError
from strata_stores.postgres.data_keys import PostgresDataKeys
from strata_stores.secrets.box import AesGcmSecretBox
from strata_stores.secrets.keyring import WrappingKey, WrappingKeyring

ROWS = [
    {"id": "1", "email": "Ada@Old.test", "name": "Ada", "plan": "pro", "created_at": "2019-05-01T12:00:00",
     "shoe": "38", "password_hash": "$2b$12$bcrypt"},
    {"id": "-7", "email": "bob@old.test", "name": "", "plan": "", "created_at": "", "shoe": "", "password_hash": ""},
]  # fmt: skip


@pytest.fixture
def importer(system_units, shifted_clock, two_organizations):
    box = AesGcmSecretBox(PostgresDataKeys(system_units), WrappingKeyring([WrappingKey(b"w" * 32)]), shifted_clock)
    ctx = Context(two_organizations.first, Actor(ActorKind.SYSTEM, None, "operator"), PERMISSIONS, "import")

    def make(*, is_dry_run=False, source="app"):
        return Importer(system_units, box, ctx, source, "developer", is_dry_run)

    return make


def written(tmp_path, rows, kind="csv"):
    path = tmp_path / f"users.{kind}"
    if kind == "jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def taken(importer: Importer, path) -> Report:
    report = Report()
    importer.take([row for row, _ in read_rows(path)], report)
    return report


def mappings(database: Database):
    return database.rows("SELECT * FROM legacy_users ORDER BY legacy_id DESC")


@pytest.mark.usefixtures("second_unmoved")
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_users_are_taken_over_without_loss(importer, database, tmp_path, two_organizations, kind):
    report = taken(importer(), written(tmp_path, ROWS, kind))
    assert (dict(report.counts), report.problems) == ({"created": 2}, [])
    ada, bob = (database.rows("SELECT * FROM users WHERE id = %s", row["user_id"])[0] for row in mappings(database))
    assert (ada["email"], ada["name"], ada["plan"]) == ("ada@old.test", "Ada", "pro")
    assert database.rows("SELECT * FROM password_hashes") == []  # bcrypt is no hash of ours
    assert ada["created_at"].isoformat().startswith("2019-05-01T12:00:00")
    assert (bob["plan"], bob["email_verified_at"]) == ("free", None)
    first = mappings(database)[0]
    assert first["columns"] == {name: value for name, value in ROWS[0].items() if name != "password_hash"}
    sealed = bytes(first["secrets_sealed"])
    assert b"bcrypt" not in sealed
    opened = importer().box.open(secrets_place(two_organizations.first, "app", 1), sealed)
    assert json.loads(opened) == {"password_hash": "$2b$12$bcrypt"}
    roles = database.rows("SELECT role FROM memberships WHERE organization_id = %s", two_organizations.first)
    assert [row["role"] for row in roles] == ["developer", "developer"]
    assert len(database.rows("SELECT FROM audit_log WHERE action = 'user.imported'")) == 2


def test_a_repeated_import_changes_nothing(importer, database, tmp_path):
    path = written(tmp_path, ROWS)
    taken(importer(), path)
    before = (mappings(database), database.rows("SELECT * FROM users ORDER BY id"))
    assert dict(taken(importer(), path).counts) == {"unchanged": 2}
    assert (mappings(database), database.rows("SELECT * FROM users ORDER BY id")) == before


def test_a_row_that_changed_is_kept_anew_and_the_account_stays(importer, database, tmp_path):
    taken(importer(), written(tmp_path, ROWS))
    changed = [{**ROWS[0], "name": "Countess", "shoe": "39"}, ROWS[1]]
    assert dict(taken(importer(), written(tmp_path, changed)).counts) == {"updated": 1, "unchanged": 1}
    assert mappings(database)[0]["columns"]["shoe"] == "39"
    assert database.rows("SELECT name FROM users WHERE email = 'ada@old.test'") == [{"name": "Ada"}]


def test_bad_rows_are_named_by_line_and_the_good_ones_kept(importer, database, tmp_path):
    rows = [
        ROWS[0],
        {**ROWS[1], "id": "x"},
        {**ROWS[1], "id": "3", "email": "nobody"},
        {**ROWS[1], "id": "4", "email": "ADA@old.test"},
        {**ROWS[1], "id": "5", "created_at": "yesterday"},
        {**ROWS[1], "id": str(2**63)},
        ROWS[1],
    ]
    report = taken(importer(), written(tmp_path, rows))
    assert dict(report.counts) == {"created": 2, "refused": 5}
    assert [line for line, _ in report.problems] == [3, 4, 5, 6, 7]
    assert "id 1" in dict(report.problems)[5]
    assert [row["legacy_id"] for row in mappings(database)] == [1, -7]


def test_lines_that_are_no_rows_are_named(importer, tmp_path):
    path = tmp_path / "users.jsonl"
    path.write_text(
        '{"id": 1, "email": "a@b.test"}\nnonsense\n[1]\n\n{"id": 2, "email": "b@b.test"}\n', encoding="utf-8"
    )
    report = taken(importer(), path)
    assert dict(report.counts) == {"created": 2, "refused": 2}
    assert report.problems == [(2, "not JSON"), (3, "not a JSON object")]
    ragged = tmp_path / "users.csv"
    ragged.write_text("id,email\n3,c@b.test\n4\n5,d@b.test,extra\n", encoding="utf-8-sig")
    assert [line for line, _ in taken(importer(), ragged).problems] == [3, 4]


def test_a_dry_run_says_the_same_and_changes_nothing(importer, database, tmp_path):
    path = written(tmp_path, [*ROWS, {**ROWS[1], "id": "x"}])
    report = taken(importer(is_dry_run=True), path)
    assert dict(report.counts) == {"created": 2, "refused": 1}
    assert mappings(database) == database.rows("SELECT FROM users") == []


def test_somebody_known_keeps_their_account_and_each_source_its_ids(importer, database, tmp_path):
    taken(importer(), written(tmp_path, ROWS))
    other = [{**ROWS[0], "id": "99", "name": "Another name"}]
    assert dict(taken(importer(source="crm"), written(tmp_path, other)).counts) == {"linked": 1}
    found = database.rows(
        "SELECT source, legacy_id FROM legacy_users JOIN users ON users.id = user_id WHERE email = 'ada@old.test'"
        " ORDER BY source"
    )
    assert found == [{"source": "app", "legacy_id": 1}, {"source": "crm", "legacy_id": 99}]
    assert database.rows("SELECT name FROM users WHERE email = 'ada@old.test'") == [{"name": "Ada"}]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "id,email,email\n", "id,email\n1,\xff@x\n"])
def test_a_file_that_is_no_list_of_users_is_refused(tmp_path, content):
    path = tmp_path / "users.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidError):
        list(read_rows(path))


def test_a_file_of_another_kind_or_none_is_refused(tmp_path):
    for name in ("users.xlsx", "absent.csv"):
        with pytest.raises(InvalidError):
            list(read_rows(tmp_path / name))
