"""Server metrics and errors in rows: parted by weeks, summed up by hours, by days, and by regions in a view."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE server_metrics (
    organization_id UUID NOT NULL,
    server_id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    cpu_usage NUMERIC(5, 2),
    memory_usage NUMERIC(5, 2),
    disk_usage NUMERIC(5, 2),
    load_average NUMERIC(10, 2),
    network_in BIGINT,
    network_out BIGINT,
    CONSTRAINT pk_server_metrics PRIMARY KEY (organization_id, server_id, timestamp),
    CONSTRAINT fk_server_metrics_organization_id_server_id FOREIGN KEY(organization_id, server_id)
        REFERENCES hosts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_server_metrics_cpu_usage CHECK (cpu_usage >= 0 AND cpu_usage <= 100),
    CONSTRAINT ck_server_metrics_memory_usage CHECK (memory_usage >= 0 AND memory_usage <= 100),
    CONSTRAINT ck_server_metrics_disk_usage CHECK (disk_usage >= 0 AND disk_usage <= 100),
    CONSTRAINT ck_server_metrics_load_average CHECK (load_average >= 0),
    CONSTRAINT ck_server_metrics_network_in CHECK (network_in >= 0),
    CONSTRAINT ck_server_metrics_network_out CHECK (network_out >= 0)
) PARTITION BY RANGE (timestamp);
CREATE TABLE error_logs (
    organization_id UUID NOT NULL,
    server_id UUID NOT NULL,
    timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    id UUID NOT NULL,
    level TEXT NOT NULL,
    service TEXT DEFAULT '' NOT NULL,
    stream TEXT DEFAULT '' NOT NULL,
    message TEXT NOT NULL,
    CONSTRAINT pk_error_logs PRIMARY KEY (organization_id, server_id, timestamp, id),
    CONSTRAINT fk_error_logs_organization_id_server_id FOREIGN KEY(organization_id, server_id)
        REFERENCES hosts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_error_logs_level CHECK (level IN ('error', 'fatal'))
) PARTITION BY RANGE (timestamp);
CREATE TABLE server_metrics_hourly (
    organization_id UUID NOT NULL,
    server_id UUID NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    samples INTEGER NOT NULL,
    cpu_samples INTEGER NOT NULL,
    cpu_sum NUMERIC,
    cpu_max NUMERIC,
    memory_samples INTEGER NOT NULL,
    memory_sum NUMERIC,
    memory_max NUMERIC,
    disk_samples INTEGER NOT NULL,
    disk_sum NUMERIC,
    disk_max NUMERIC,
    load_samples INTEGER NOT NULL,
    load_sum NUMERIC,
    load_max NUMERIC,
    network_in_bytes BIGINT,
    network_out_bytes BIGINT,
    errors INTEGER NOT NULL,
    rolled_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_server_metrics_hourly PRIMARY KEY (organization_id, server_id, hour),
    CONSTRAINT fk_server_metrics_hourly_organization_id_server_id FOREIGN KEY(organization_id, server_id)
        REFERENCES hosts (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ix_server_metrics_hourly_organization_id_hour ON server_metrics_hourly (organization_id, hour);
CREATE TABLE server_metrics_daily (
    organization_id UUID NOT NULL,
    server_id UUID NOT NULL,
    day DATE NOT NULL,
    region TEXT DEFAULT '' NOT NULL,
    samples INTEGER NOT NULL,
    cpu_samples INTEGER NOT NULL,
    cpu_sum NUMERIC,
    cpu_max NUMERIC,
    memory_samples INTEGER NOT NULL,
    memory_sum NUMERIC,
    memory_max NUMERIC,
    disk_samples INTEGER NOT NULL,
    disk_sum NUMERIC,
    disk_max NUMERIC,
    load_samples INTEGER NOT NULL,
    load_sum NUMERIC,
    load_max NUMERIC,
    network_in_bytes BIGINT,
    network_out_bytes BIGINT,
    errors INTEGER NOT NULL,
    rolled_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_server_metrics_daily PRIMARY KEY (organization_id, server_id, day),
    CONSTRAINT fk_server_metrics_daily_organization_id_server_id FOREIGN KEY(organization_id, server_id)
        REFERENCES hosts (organization_id, id) ON DELETE CASCADE
);
CREATE INDEX ix_server_metrics_daily_organization_id_day ON server_metrics_daily (organization_id, day);
CREATE TABLE server_metric_marks (
    organization_id UUID NOT NULL,
    server_id UUID NOT NULL,
    hour TIMESTAMP WITH TIME ZONE NOT NULL,
    marked_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_server_metric_marks PRIMARY KEY (organization_id, server_id, hour),
    CONSTRAINT fk_server_metric_marks_organization_id_server_id FOREIGN KEY(organization_id, server_id)
        REFERENCES hosts (organization_id, id) ON DELETE CASCADE
);
"""
WALLED = ("server_metrics", "error_logs", "server_metrics_hourly", "server_metrics_daily", "server_metric_marks")
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON {table}
    USING (organization_id = (SELECT app.organization_id()))
    WITH CHECK (organization_id = (SELECT app.organization_id()));
CREATE POLICY system ON {table} TO strata_worker
    USING ((SELECT app.is_system())) WITH CHECK ((SELECT app.is_system()));
"""
GRANTS = """
GRANT SELECT ON server_metrics, error_logs, server_metrics_hourly, server_metrics_daily TO strata_app, strata_readonly;
GRANT SELECT, INSERT, UPDATE, DELETE ON server_metrics, error_logs, server_metrics_hourly, server_metrics_daily,
    server_metric_marks TO strata_worker;
CREATE VIEW servers WITH (security_invoker = true) AS
    SELECT organization_id, id, name, status, environment, datacenter, region, agent_version, tags, first_seen_at,
        last_seen_at
    FROM hosts;
GRANT SELECT ON servers TO strata_app, strata_worker, strata_readonly;
"""

# Nobody but the owner has a right to this schema: a part can be read and written through its table only, whose wall
# holds. Each part has a wall of its own all the same.
PARTS = """
CREATE SCHEMA server_parts;
CREATE FUNCTION app.keep_server_parts(kept interval) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '3s'
AS $$
DECLARE
    parent text;
    part text;
    week date;
    moved integer := 0;
BEGIN
    IF kept IS NULL OR kept < interval '30 days' THEN
        RAISE EXCEPTION 'parts are kept for 30 days at least' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('app.keep_server_parts', 0));
    FOREACH parent IN ARRAY ARRAY['server_metrics', 'error_logs'] LOOP
        FOR week IN
            SELECT each::date FROM generate_series(
                date_trunc('week', (app.now() - kept) AT TIME ZONE 'UTC'),
                date_trunc('week', app.now() AT TIME ZONE 'UTC') + interval '14 days', interval '7 days') each
        LOOP
            part := parent || to_char(week, '_YYYYMMDD');
            CONTINUE WHEN to_regclass('server_parts.' || part) IS NOT NULL;
            EXECUTE format('CREATE TABLE server_parts.%I PARTITION OF public.%I FOR VALUES FROM (%L) TO (%L)', part,
                parent, week::timestamp AT TIME ZONE 'UTC', (week + 7)::timestamp AT TIME ZONE 'UTC');
            EXECUTE format('ALTER TABLE server_parts.%I ENABLE ROW LEVEL SECURITY', part);
            EXECUTE format('ALTER TABLE server_parts.%I FORCE ROW LEVEL SECURITY', part);
            EXECUTE format('CREATE POLICY tenant ON server_parts.%I'
                ' USING (organization_id = (SELECT app.organization_id()))'
                ' WITH CHECK (organization_id = (SELECT app.organization_id()))', part);
            moved := moved + 1;
        END LOOP;
        FOR part IN
            SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'server_parts'::regnamespace AND c.relkind = 'r' AND starts_with(c.relname, parent || '_2')
              AND to_date(right(c.relname, 8), 'YYYYMMDD') + 7 <= ((app.now() - kept) AT TIME ZONE 'UTC')::date
        LOOP
            EXECUTE format('DROP TABLE server_parts.%I', part);
            moved := moved + 1;
        END LOOP;
    END LOOP;
    RETURN moved;
END $$;
REVOKE EXECUTE ON FUNCTION app.keep_server_parts(interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.keep_server_parts(interval) TO strata_worker;
"""

# A materialized view has no row security, and is made with its owner's rights. So nobody may read it, but for a view
# that asks for the organization; and the owner, whom nobody logs in as, sees all days while it is made anew.
SUMMARIES = """
CREATE FUNCTION app.is_summing_up() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
    AS $$ SELECT COALESCE(current_setting('app.summing_up', true), '') = 'on' $$;
CREATE POLICY summed_up ON server_metrics_daily FOR SELECT TO strata_owner USING ((SELECT app.is_summing_up()));
CREATE MATERIALIZED VIEW server_region_days_held AS
    SELECT organization_id, region, day, count(*)::integer AS servers, sum(samples)::bigint AS samples,
        round(sum(cpu_sum) / NULLIF(sum(cpu_samples), 0), 2) AS cpu_avg, max(cpu_max) AS cpu_max,
        round(sum(memory_sum) / NULLIF(sum(memory_samples), 0), 2) AS memory_avg, max(memory_max) AS memory_max,
        round(sum(disk_sum) / NULLIF(sum(disk_samples), 0), 2) AS disk_avg, max(disk_max) AS disk_max,
        sum(network_in_bytes)::bigint AS network_in_bytes, sum(network_out_bytes)::bigint AS network_out_bytes,
        sum(errors)::bigint AS errors
    FROM server_metrics_daily
    WHERE day >= ((app.now() - interval '90 days') AT TIME ZONE 'UTC')::date
    GROUP BY organization_id, region, day;
CREATE UNIQUE INDEX uq_server_region_days_held ON server_region_days_held (organization_id, region, day);
CREATE VIEW server_region_days WITH (security_barrier = true) AS
    SELECT * FROM server_region_days_held WHERE organization_id = (SELECT app.organization_id());
GRANT SELECT ON server_region_days TO strata_app, strata_worker, strata_readonly;
CREATE FUNCTION app.refresh_server_summaries() RETURNS void LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM set_config('app.summing_up', 'on', true);
    REFRESH MATERIALIZED VIEW CONCURRENTLY public.server_region_days_held;
    PERFORM set_config('app.summing_up', '', true);
END $$;
REVOKE EXECUTE ON FUNCTION app.refresh_server_summaries() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.refresh_server_summaries() TO strata_worker;
"""
DOWN = """
DROP FUNCTION app.refresh_server_summaries();
DROP VIEW server_region_days;
DROP MATERIALIZED VIEW server_region_days_held;
DROP POLICY summed_up ON server_metrics_daily;
DROP FUNCTION app.is_summing_up();
DROP FUNCTION app.keep_server_parts(interval);
DROP VIEW servers;
DROP TABLE server_metric_marks, server_metrics_daily, server_metrics_hourly, error_logs, server_metrics;
DROP SCHEMA server_parts;
"""


def upgrade() -> None:
    op.execute(TABLES)
    for table in WALLED:
        op.execute(WALL.format(table=table))
    for statements in (GRANTS, PARTS, SUMMARIES):
        op.execute(statements)


def downgrade() -> None:
    op.execute(DOWN)
