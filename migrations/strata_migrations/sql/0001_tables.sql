CREATE TABLE audit_log (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    actor_label TEXT NOT NULL,
    action TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target_id TEXT NOT NULL,
    before JSONB,
    after JSONB,
    request_id TEXT,
    remote_addr TEXT,
    CONSTRAINT pk_audit_log PRIMARY KEY (organization_id, id),
    CONSTRAINT ck_audit_log_actor_kind CHECK (actor_kind IN ('user', 'api_key', 'system'))
);
CREATE INDEX ix_audit_log_organization_id_actor_id_at ON audit_log (organization_id, actor_id, at);
CREATE INDEX ix_audit_log_organization_id_at_id ON audit_log (organization_id, at, id);
CREATE INDEX ix_audit_log_organization_id_target ON audit_log (organization_id, target_kind, target_id, at);
CREATE TABLE dead_letters (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    signal TEXT NOT NULL,
    batch_id UUID,
    store TEXT NOT NULL,
    reason TEXT NOT NULL,
    item_count INTEGER NOT NULL,
    content BYTEA NOT NULL,
    content_format TEXT NOT NULL,
    state TEXT DEFAULT 'open' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    resolved_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_dead_letters PRIMARY KEY (organization_id, id),
    CONSTRAINT ck_dead_letters_state CHECK (state IN ('open', 'replayed', 'dropped'))
);
CREATE INDEX ix_dead_letters_organization_id_state_id ON dead_letters (organization_id, state, id);
CREATE TABLE idempotency (
    organization_id UUID NOT NULL,
    principal TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status SMALLINT,
    response BYTEA,
    headers JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_idempotency PRIMARY KEY (organization_id, principal, route, key)
);
CREATE INDEX ix_idempotency_expires_at ON idempotency (expires_at);
CREATE TABLE metric_series (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    fingerprint BYTEA NOT NULL,
    measurement TEXT NOT NULL,
    field TEXT NOT NULL,
    field_class TEXT NOT NULL,
    tags JSONB DEFAULT '{}'::jsonb NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_metric_series PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_metric_series_organization_id_fingerprint UNIQUE (organization_id, fingerprint),
    CONSTRAINT ck_metric_series_field_class CHECK (field_class IN ('number', 'string', 'boolean'))
);
CREATE INDEX ix_metric_series_organization_id_measurement_field ON metric_series (organization_id, measurement, field);
CREATE TABLE organizations (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    plan TEXT DEFAULT 'free' NOT NULL,
    billing_reference TEXT,
    settings JSONB DEFAULT '{}'::jsonb NOT NULL,
    status TEXT DEFAULT 'active' NOT NULL,
    cell TEXT DEFAULT 'default' NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_organizations PRIMARY KEY (id),
    CONSTRAINT uq_organizations_slug UNIQUE (slug),
    CONSTRAINT ck_organizations_status CHECK (status IN ('active', 'suspended', 'deleting'))
);
CREATE TABLE outbox (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    kind TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    entity_kind TEXT NOT NULL,
    entity_id UUID NOT NULL,
    payload JSONB DEFAULT '{}'::jsonb NOT NULL,
    state TEXT DEFAULT 'pending' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    claimed_by TEXT,
    lease_until TIMESTAMP WITH TIME ZONE,
    epoch BIGINT DEFAULT 0 NOT NULL,
    last_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    done_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_outbox PRIMARY KEY (organization_id, id),
    CONSTRAINT ck_outbox_state CHECK (state IN ('pending', 'done', 'parked'))
);
CREATE INDEX ix_outbox_done_at ON outbox (done_at) WHERE state = 'done';
CREATE INDEX ix_outbox_due_at_id ON outbox (due_at, id) WHERE state = 'pending';
CREATE INDEX ix_outbox_organization_id_entity_id ON outbox (organization_id, entity_id);
CREATE INDEX ix_outbox_organization_id_parked ON outbox (organization_id, id) WHERE state = 'parked';
CREATE INDEX ix_outbox_pending_id ON outbox (id) WHERE state = 'pending';
CREATE TABLE schema_ledger (
    version TEXT NOT NULL,
    description TEXT NOT NULL,
    applied_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    applied_by TEXT NOT NULL,
    rollback_sql TEXT NOT NULL,
    CONSTRAINT pk_schema_ledger PRIMARY KEY (version)
);
CREATE TABLE users (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    email TEXT NOT NULL,
    email_verified_at TIMESTAMP WITH TIME ZONE,
    name TEXT DEFAULT '' NOT NULL,
    avatar_url TEXT,
    plan TEXT DEFAULT 'free' NOT NULL,
    password_hash TEXT,
    last_login_at TIMESTAMP WITH TIME ZONE,
    login_count INTEGER DEFAULT 0 NOT NULL,
    failed_login_count INTEGER DEFAULT 0 NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT uq_users_email UNIQUE (email),
    CONSTRAINT ck_users_email_folded CHECK (email = lower(email))
);
CREATE TABLE alert_rules (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    is_enabled BOOLEAN DEFAULT true NOT NULL,
    severity TEXT NOT NULL,
    condition JSONB NOT NULL,
    labels JSONB DEFAULT '{}'::jsonb NOT NULL,
    for_s INTEGER DEFAULT 0 NOT NULL,
    interval_s INTEGER DEFAULT 60 NOT NULL,
    next_due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_evaluated_at TIMESTAMP WITH TIME ZONE,
    last_result TEXT,
    last_error TEXT,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_alert_rules PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_alert_rules_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_alert_rules_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_alert_rules_severity CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    CONSTRAINT ck_alert_rules_last_result CHECK (last_result IN ('ok', 'firing', 'no_data', 'error')),
    CONSTRAINT ck_alert_rules_for_s CHECK (for_s >= 0),
    CONSTRAINT ck_alert_rules_interval_s CHECK (interval_s > 0)
);
CREATE INDEX ix_alert_rules_next_due_at ON alert_rules (next_due_at) WHERE is_enabled;
CREATE TABLE api_keys (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    key_id TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    name TEXT NOT NULL,
    scopes TEXT[] NOT NULL,
    environment TEXT,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    created_by UUID,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_api_keys PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_api_keys_key_id UNIQUE (key_id),
    CONSTRAINT fk_api_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE data_keys (
    organization_id UUID NOT NULL,
    version INTEGER NOT NULL,
    wrapped BYTEA NOT NULL,
    wrapping_key_id TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    retired_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_data_keys PRIMARY KEY (organization_id, version),
    CONSTRAINT fk_data_keys_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE hosts (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    status TEXT DEFAULT 'unknown' NOT NULL,
    environment TEXT,
    datacenter TEXT,
    region TEXT,
    agent_version TEXT,
    agent_config JSONB DEFAULT '{}'::jsonb NOT NULL,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    tags JSONB DEFAULT '{}'::jsonb NOT NULL,
    source TEXT DEFAULT 'manual' NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE,
    last_seen_at TIMESTAMP WITH TIME ZONE,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_hosts PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_hosts_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_hosts_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT ck_hosts_status CHECK (status IN ('unknown', 'up', 'down', 'maintenance')),
    CONSTRAINT ck_hosts_source CHECK (source IN ('manual', 'telemetry'))
);
CREATE INDEX ix_hosts_organization_id_environment ON hosts (organization_id, environment);
CREATE INDEX ix_hosts_organization_id_status ON hosts (organization_id, status);
CREATE INDEX ix_hosts_tags ON hosts USING gin (tags jsonb_path_ops);
CREATE TABLE memberships (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID NOT NULL,
    role TEXT NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_memberships PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_memberships_organization_id_user_id UNIQUE (organization_id, user_id),
    CONSTRAINT fk_memberships_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_memberships_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_memberships_role CHECK (role IN ('owner', 'admin', 'devops', 'developer', 'read_only'))
);
CREATE INDEX ix_memberships_user_id ON memberships (user_id);
CREATE TABLE sessions (
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    user_id UUID NOT NULL,
    token_hash BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    idle_expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_at TIMESTAMP WITH TIME ZONE,
    user_agent TEXT,
    remote_addr TEXT,
    CONSTRAINT pk_sessions PRIMARY KEY (id),
    CONSTRAINT uq_sessions_token_hash UNIQUE (token_hash),
    CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_sessions_expires_at ON sessions (expires_at);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE TABLE settings (
    organization_id UUID NOT NULL,
    key TEXT NOT NULL,
    value JSONB NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_settings PRIMARY KEY (organization_id, key),
    CONSTRAINT fk_settings_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE webhooks (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    secret_sealed BYTEA NOT NULL,
    is_enabled BOOLEAN DEFAULT true NOT NULL,
    event_kinds TEXT[] NOT NULL,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_webhooks PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_webhooks_organization_id_name UNIQUE (organization_id, name),
    CONSTRAINT fk_webhooks_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE
);
CREATE TABLE alert_states (
    organization_id UUID NOT NULL,
    rule_id UUID NOT NULL,
    fingerprint TEXT NOT NULL,
    labels JSONB DEFAULT '{}'::jsonb NOT NULL,
    state TEXT NOT NULL,
    pending_since TIMESTAMP WITH TIME ZONE,
    firing_since TIMESTAMP WITH TIME ZONE,
    alert_id UUID,
    last_evaluated_at TIMESTAMP WITH TIME ZONE,
    last_value DOUBLE PRECISION,
    CONSTRAINT pk_alert_states PRIMARY KEY (organization_id, rule_id, fingerprint),
    CONSTRAINT fk_alert_states_organization_id_rule_id FOREIGN KEY(organization_id, rule_id) REFERENCES alert_rules (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_alert_states_state CHECK (state IN ('ok', 'pending', 'firing', 'no_data', 'error'))
);
CREATE TABLE alerts (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    rule_id UUID,
    fingerprint TEXT NOT NULL,
    labels JSONB DEFAULT '{}'::jsonb NOT NULL,
    severity TEXT NOT NULL,
    status TEXT DEFAULT 'firing' NOT NULL,
    summary TEXT DEFAULT '' NOT NULL,
    description TEXT DEFAULT '' NOT NULL,
    value DOUBLE PRECISION,
    threshold DOUBLE PRECISION,
    started_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    acknowledged_by TEXT,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolved_by TEXT,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_alerts PRIMARY KEY (organization_id, id),
    CONSTRAINT fk_alerts_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_alerts_organization_id_rule_id FOREIGN KEY(organization_id, rule_id) REFERENCES alert_rules (organization_id, id) ON DELETE SET NULL (rule_id),
    CONSTRAINT ck_alerts_severity CHECK (severity IN ('info', 'warning', 'error', 'critical')),
    CONSTRAINT ck_alerts_status CHECK (status IN ('firing', 'acknowledged', 'resolved'))
);
CREATE INDEX ix_alerts_organization_id_started_at_id ON alerts (organization_id, started_at, id);
CREATE INDEX ix_alerts_organization_id_status_started_at_id ON alerts (organization_id, status, started_at, id);
CREATE UNIQUE INDEX uq_alerts_open_episode ON alerts (organization_id, rule_id, fingerprint) WHERE status <> 'resolved';
CREATE TABLE notifications (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    outbox_id UUID NOT NULL,
    alert_id UUID,
    webhook_id UUID NOT NULL,
    event_kind TEXT NOT NULL,
    state TEXT DEFAULT 'planned' NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    deadline_at TIMESTAMP WITH TIME ZONE,
    last_reason TEXT,
    last_detail TEXT,
    http_status SMALLINT,
    sent_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_notifications PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_notifications_organization_id_outbox_id_webhook_id UNIQUE (organization_id, outbox_id, webhook_id),
    CONSTRAINT fk_notifications_organization_id_webhook_id FOREIGN KEY(organization_id, webhook_id) REFERENCES webhooks (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_notifications_state CHECK (state IN ('planned', 'sending', 'sent', 'failed', 'unknown'))
);
CREATE INDEX ix_notifications_due_at ON notifications (due_at) WHERE state IN ('planned', 'sending');
CREATE INDEX ix_notifications_organization_id_alert_id ON notifications (organization_id, alert_id);
CREATE TABLE services (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    host_id UUID,
    name TEXT NOT NULL,
    status TEXT DEFAULT 'unknown' NOT NULL,
    environment TEXT,
    health_check JSONB,
    metadata JSONB DEFAULT '{}'::jsonb NOT NULL,
    tags JSONB DEFAULT '{}'::jsonb NOT NULL,
    source TEXT DEFAULT 'manual' NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE,
    last_seen_at TIMESTAMP WITH TIME ZONE,
    version BIGINT DEFAULT 1 NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_services PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_services_organization_id_host_id_name UNIQUE NULLS NOT DISTINCT (organization_id, host_id, name),
    CONSTRAINT fk_services_organization_id FOREIGN KEY(organization_id) REFERENCES organizations (id) ON DELETE CASCADE,
    CONSTRAINT fk_services_organization_id_host_id FOREIGN KEY(organization_id, host_id) REFERENCES hosts (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_services_status CHECK (status IN ('unknown', 'up', 'down', 'maintenance')),
    CONSTRAINT ck_services_source CHECK (source IN ('manual', 'telemetry'))
);
CREATE INDEX ix_services_organization_id_name_id ON services (organization_id, name, id);
CREATE TABLE service_dependencies (
    organization_id UUID NOT NULL,
    id UUID DEFAULT app.uuid_v7() NOT NULL,
    service_id UUID NOT NULL,
    depends_on_id UUID NOT NULL,
    kind TEXT DEFAULT 'hard' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT app.now() NOT NULL,
    CONSTRAINT pk_service_dependencies PRIMARY KEY (organization_id, id),
    CONSTRAINT uq_service_dependencies_organization_id_service_id_depe_cebd UNIQUE (organization_id, service_id, depends_on_id),
    CONSTRAINT fk_service_dependencies_organization_id_service_id FOREIGN KEY(organization_id, service_id) REFERENCES services (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_service_dependencies_organization_id_depends_on_id FOREIGN KEY(organization_id, depends_on_id) REFERENCES services (organization_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_service_dependencies_kind CHECK (kind IN ('hard', 'soft')),
    CONSTRAINT ck_service_dependencies_not_itself CHECK (service_id <> depends_on_id)
);
CREATE INDEX ix_service_dependencies_organization_id_depends_on_id ON service_dependencies (organization_id, depends_on_id);
