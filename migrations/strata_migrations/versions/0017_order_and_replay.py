"""Events of an entity keep their order, dead letters go through the spool again, and sagas that ended are found."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE outbox ADD seq BIGINT GENERATED ALWAYS AS IDENTITY NOT NULL;
CREATE INDEX ix_outbox_organization_id_entity_pending ON outbox (organization_id, entity_id, entity_kind, seq)
    WHERE state = 'pending';
GRANT SELECT (seq) ON outbox TO strata_readonly;

ALTER TABLE dead_letters DROP CONSTRAINT ck_dead_letters_state;
ALTER TABLE dead_letters ADD CONSTRAINT ck_dead_letters_state
    CHECK (state IN ('open', 'replaying', 'replayed', 'dropped'));
ALTER TABLE dead_letters ADD replay_until TIMESTAMP WITH TIME ZONE;
GRANT SELECT (replay_until) ON dead_letters TO strata_readonly;
-- Ingest looks over all organizations at once.
CREATE INDEX ix_dead_letters_replaying ON dead_letters (id) WHERE state = 'replaying';
CREATE INDEX ix_dead_letters_organization_id_batch_id ON dead_letters (organization_id, batch_id);

CREATE INDEX ix_sagas_ended_at ON sagas (ended_at) WHERE ended_at IS NOT NULL;
"""
# Row security binds the owner as well: it is off for the update, in this transaction, which nobody else can look into.
DOWN = """
DROP INDEX ix_sagas_ended_at;
DROP INDEX ix_dead_letters_organization_id_batch_id;
DROP INDEX ix_dead_letters_replaying;
ALTER TABLE dead_letters DROP COLUMN replay_until;
ALTER TABLE dead_letters NO FORCE ROW LEVEL SECURITY;
UPDATE dead_letters SET state = 'open' WHERE state = 'replaying';
ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY;
ALTER TABLE dead_letters DROP CONSTRAINT ck_dead_letters_state;
ALTER TABLE dead_letters ADD CONSTRAINT ck_dead_letters_state CHECK (state IN ('open', 'replayed', 'dropped'));
DROP INDEX ix_outbox_organization_id_entity_pending;
ALTER TABLE outbox DROP COLUMN seq;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
