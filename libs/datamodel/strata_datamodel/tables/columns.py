"""Columns and constraints that mean the same in every table."""

from collections.abc import Iterable

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

INSTANT = TIMESTAMP(timezone=True)
JSON_DOCUMENT = JSONB(none_as_null=True)
NOW = text("app.now()")


def organization_id() -> Column[object]:
    return Column("organization_id", Uuid, nullable=False)


def uuid_id() -> Column[object]:
    return Column("id", Uuid, nullable=False, server_default=text("app.uuid_v7()"))


def instant(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, INSTANT, nullable=nullable)


def stamped(name: str) -> Column[object]:
    """An instant that the database fills when the writer does not."""
    return Column(name, INSTANT, nullable=False, server_default=NOW)


def words(name: str, *, nullable: bool = False, default: str | None = None) -> Column[object]:
    return Column(name, Text, nullable=nullable, server_default=default)


def document(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, JSON_DOCUMENT, nullable=nullable, server_default=None if nullable else text("'{}'::jsonb"))


def version() -> Column[object]:
    """Raised by one with every update; the entity's ETag."""
    return Column("version", BigInteger, nullable=False, server_default=text("1"))


def one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def organization_reference() -> ForeignKeyConstraint:
    """For entities only: rows of logs and queues must not slow inserts down or hold up an organization's deletion."""
    return ForeignKeyConstraint(["organization_id"], ["organizations.id"], ondelete="CASCADE")


def tenant_reference(column: str, table: str, *, ondelete: str) -> ForeignKeyConstraint:
    """Composite, so that no row can point into another organization."""
    return ForeignKeyConstraint(
        ["organization_id", column], [f"{table}.organization_id", f"{table}.id"], ondelete=ondelete
    )


def member_reference() -> ForeignKeyConstraint:
    """To whoever is a member now: what hangs on the membership goes with it."""
    return ForeignKeyConstraint(
        ["organization_id", "user_id"], ["memberships.organization_id", "memberships.user_id"], ondelete="CASCADE"
    )
