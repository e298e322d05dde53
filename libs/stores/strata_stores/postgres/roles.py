"""The database roles, and that none of them can look past the walls."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, text

from strata_datamodel.errors import DeniedError, Problem
from strata_stores.postgres.connecting import Timeouts
from strata_stores.postgres.engine import open_unpooled_engine
from strata_stores.postgres.failures import mapped_failures

OWNER: Final = "strata_owner"
APP: Final = "strata_app"
WORKER: Final = "strata_worker"
AUDITOR: Final = "strata_auditor"
READONLY: Final = "strata_readonly"
ROLES: Final = (OWNER, APP, WORKER, AUDITOR, READONLY)

_TIMEOUTS: Final = Timeouts(statement_s=20, lock_s=10, answer_s=30)
# Roles belong to the whole server, so two set-ups of two databases can meet.
_CREATE: Final = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""
_ATTRIBUTES: Final = text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = ANY(:names)")
_RIGHTS_OF_SELF: Final = text("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user")
# Membership hands privileges on, and row security asks for membership: any of it would open a door.
_MEMBERSHIPS: Final = text("""
    SELECT member.rolname AS member, granted.rolname AS granted
    FROM pg_roles member, pg_roles granted
    WHERE member.rolname = ANY(:names) AND member.rolname <> granted.rolname
      AND (granted.rolname = ANY(:names) OR granted.rolsuper OR granted.rolbypassrls)
      AND pg_has_role(member.oid, granted.oid, 'MEMBER')
""")
_OWNER_MAY_CREATE: Final = text(f"""
    SELECT has_database_privilege('{OWNER}', current_database(), 'CREATE')
       AND has_schema_privilege('{OWNER}', 'public', 'CREATE')
""")


def ensure_roles(url: str) -> None:
    """Idempotent. Creates what is missing where the user may; where not, raises DeniedError with the SQL to run.
    Also raises when a role has rights that would let it past row security: that is never repaired in silence."""
    engine = open_unpooled_engine(url, timeouts=_TIMEOUTS, application="strata-roles")
    try:
        with mapped_failures(), engine.begin() as connection:
            ensure_roles_on(connection)
    finally:
        engine.dispose()


def ensure_roles_on(connection: Connection) -> None:
    _create_missing(connection)
    _refuse_powerful(connection)
    _let_owner_create(connection)


def allow_local_login(url: str) -> None:
    """For the embedded server, whose socket only this user reaches: the app and the worker log in as themselves, so
    that their processes never hold a superuser's session. Idempotent; needs a superuser."""
    engine = open_unpooled_engine(url, timeouts=_TIMEOUTS, application="strata-roles")
    try:
        with mapped_failures(), engine.begin() as connection:
            for role in (APP, WORKER):
                connection.execute(text(f"ALTER ROLE {role} LOGIN"))
    finally:
        engine.dispose()


def _create_missing(connection: Connection) -> None:
    present = set(connection.execute(_ATTRIBUTES, {"names": list(ROLES)}).scalars())
    missing = [role for role in ROLES if role not in present]
    if not missing:
        return
    self_rights = connection.execute(_RIGHTS_OF_SELF).one()
    if not (self_rights.rolsuper or self_rights.rolcreaterole):
        raise _refusal("roles_missing", "roles are missing, and this user may not create roles", _creation_sql(missing))
    for role in missing:
        connection.execute(text(_CREATE.format(role=role)))
    if not self_rights.rolsuper:
        # Since PostgreSQL 16 the creator of a role may grant it, but cannot act as it before granting it to itself.
        connection.execute(text(f"GRANT {OWNER} TO CURRENT_USER"))


def _refuse_powerful(connection: Connection) -> None:
    rows = connection.execute(_ATTRIBUTES, {"names": list(ROLES)})
    repairs = [f"ALTER ROLE {row.rolname} NOSUPERUSER NOBYPASSRLS;" for row in rows if row.rolsuper or row.rolbypassrls]
    if not repairs:  # a superuser is a member of everything
        rows = connection.execute(_MEMBERSHIPS, {"names": list(ROLES)})
        repairs = [f'REVOKE "{row.granted}" FROM {row.member};' for row in rows]
    if repairs:
        raise _refusal("roles_too_powerful", "a role has rights that let it past row security", repairs)


def _let_owner_create(connection: Connection) -> None:
    if connection.execute(_OWNER_MAY_CREATE).scalar_one():
        return
    database = connection.execute(text("SELECT quote_ident(current_database())")).scalar_one()
    grants = [f"GRANT CREATE ON DATABASE {database} TO {OWNER};", f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER};"]
    may_grant = connection.execute(
        text(
            "SELECT rolsuper OR pg_has_role(current_user, datdba, 'USAGE') FROM pg_roles, pg_database"
            " WHERE rolname = current_user AND datname = current_database()"
        )
    ).scalar_one()
    if not may_grant:
        raise _refusal("owner_cannot_create", f"{OWNER} may not create tables in this database", grants)
    for grant in grants:
        connection.execute(text(grant))


def _creation_sql(missing: Sequence[str]) -> list[str]:
    statements = [f"CREATE ROLE {role} NOLOGIN;" for role in missing]
    if OWNER in missing:
        statements.append(f"GRANT {OWNER} TO <the user of the migrations>;")
    if APP in missing:
        statements.append(f"GRANT {APP} TO <the user of the API and ingest>;")
    if WORKER in missing:
        statements.append(f"GRANT {WORKER} TO <the user of the workers>;")
    return statements


def _refusal(code: str, detail: str, statements: Sequence[str]) -> DeniedError:
    return DeniedError(
        f"PostgreSQL: {detail}",
        code=code,
        hint="as an administrator of the server, run: " + " ".join(statements),
        problems=[Problem("sql", statement) for statement in statements],
    )
