-- The roles of Strata's database and the users that act as them. For psql, as an administrator, in Strata's database;
-- may be run again, and then sets the passwords anew. They are read from files in $PASSWORDS (default /run/secrets).
--
-- A role (NOLOGIN) owns rights; a user (LOGIN) holds a password. A user takes a role on by SET ROLE, which Strata does
-- as it connects, and has no rights before: NOINHERIT. No user may take on more than its processes need: the API's
-- user is no worker, and only migrations act as the owner.
\set ON_ERROR_STOP on
\set app_password `cat "${PASSWORDS:-/run/secrets}/postgres_app_password"`
\set worker_password `cat "${PASSWORDS:-/run/secrets}/postgres_worker_password"`
\set migrations_password `cat "${PASSWORDS:-/run/secrets}/postgres_migrations_password"`

-- A file that is missing or empty must not leave a user without a password: this divides by zero then.
SELECT 1 / least(length(:'app_password'), length(:'worker_password'), length(:'migrations_password')) > 0 AS given \gset

BEGIN;

SELECT format('CREATE ROLE %I NOLOGIN', name)
FROM unnest(ARRAY['strata_owner', 'strata_app', 'strata_worker', 'strata_auditor', 'strata_readonly']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

SELECT format('CREATE ROLE %I LOGIN NOINHERIT', name)
FROM unnest(ARRAY['strata_app_login', 'strata_worker_login', 'strata_migrations_login']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)
\gexec

ALTER ROLE strata_app_login PASSWORD :'app_password';
ALTER ROLE strata_worker_login PASSWORD :'worker_password';
ALTER ROLE strata_migrations_login PASSWORD :'migrations_password';

GRANT strata_app TO strata_app_login;
GRANT strata_worker TO strata_worker_login;
GRANT strata_owner TO strata_migrations_login;

GRANT CREATE ON DATABASE :"DBNAME" TO strata_owner;
GRANT USAGE, CREATE ON SCHEMA public TO strata_owner;

COMMIT;
