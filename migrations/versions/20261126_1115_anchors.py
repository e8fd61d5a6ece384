"""Witnesses' cosignatures, and time stamps over the log's heads."""

from alembic import op

revision = "r23_anchors"
down_revision = "r05_verification"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE ledger_cosignatures (
    log_id smallint NOT NULL,
    size bigint NOT NULL CONSTRAINT ck_ledger_cosignatures_size_from_one CHECK (size >= 1),
    public_key bytea NOT NULL CONSTRAINT ck_ledger_cosignatures_public_key_size CHECK (octet_length(public_key) = 32),
    name text NOT NULL,
    timestamp_s bigint NOT NULL CONSTRAINT ck_ledger_cosignatures_timestamp_from_zero CHECK (timestamp_s >= 0),
    signature bytea NOT NULL CONSTRAINT ck_ledger_cosignatures_signature_size CHECK (octet_length(signature) = 64),
    received_at timestamptz NOT NULL,
    CONSTRAINT pk_ledger_cosignatures PRIMARY KEY (log_id, size, public_key)
);

CREATE TABLE witnesses (
    log_id smallint NOT NULL,
    public_key bytea NOT NULL CONSTRAINT ck_witnesses_public_key_size CHECK (octet_length(public_key) = 32),
    name text NOT NULL,
    size bigint NOT NULL,
    state text NOT NULL CONSTRAINT ck_witnesses_state_word
        CHECK (state IN ('waiting', 'cosigning', 'unreachable', 'refusing', 'alarm')),
    detail text,
    alarm_size bigint,
    attempts integer NOT NULL,
    next_attempt_at timestamptz,
    updated_at timestamptz NOT NULL,
    CONSTRAINT pk_witnesses PRIMARY KEY (log_id, public_key),
    CONSTRAINT ck_witnesses_counts CHECK (size >= 0 AND attempts >= 0)
);

CREATE TABLE anchors (
    id uuid NOT NULL CONSTRAINT pk_anchors PRIMARY KEY,
    log_id smallint NOT NULL,
    size bigint NOT NULL,
    authority text NOT NULL CONSTRAINT ck_anchors_authority_word CHECK (authority ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
    request bytea NOT NULL,
    response bytea,
    response_sha256 bytea CONSTRAINT ck_anchors_response_sha256_is_hash CHECK (response_sha256 = sha256(response)),
    state text NOT NULL CONSTRAINT ck_anchors_state_word
        CHECK (state IN ('pending', 'confirmed', 'refused', 'failed')),
    reason text,
    stamped_at timestamptz,
    attempts integer NOT NULL,
    next_attempt_at timestamptz,
    requested_at timestamptz NOT NULL,
    settled_at timestamptz,
    CONSTRAINT ck_anchors_response_has_hash CHECK ((response IS NULL) = (response_sha256 IS NULL)),
    CONSTRAINT ck_anchors_confirmed_has_stamp CHECK (
        (state = 'confirmed') = (stamped_at IS NOT NULL) AND (stamped_at IS NULL OR response IS NOT NULL)
    ),
    CONSTRAINT ck_anchors_counts CHECK (size >= 1 AND attempts >= 0)
);
CREATE UNIQUE INDEX uq_anchors_log_id_size_authority ON anchors (log_id, size, authority);
CREATE UNIQUE INDEX uq_anchors_authority ON anchors (authority) WHERE state = 'pending';
CREATE INDEX ix_anchors_requested_at_id ON anchors (requested_at, id);
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_settle_anchor() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'pending' OR NEW.response IS NOT NULL THEN
            RAISE EXCEPTION 'an anchor begins as a pending request'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_settle_anchor';
        END IF;
    ELSIF OLD.state <> 'pending'
        OR (NEW.id, NEW.log_id, NEW.size, NEW.authority, NEW.request, NEW.requested_at)
            IS DISTINCT FROM (OLD.id, OLD.log_id, OLD.size, OLD.authority, OLD.request, OLD.requested_at) THEN
        RAISE EXCEPTION 'anchor % is settled, or asked for something else', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_settle_anchor';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_cosignatures
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_cosignatures
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_delete BEFORE DELETE ON anchors
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON anchors
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER settle AFTER INSERT OR UPDATE ON anchors
    FOR EACH ROW EXECUTE FUNCTION exhibit_settle_anchor();
CREATE CONSTRAINT TRIGGER has_entry AFTER UPDATE ON anchors
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'confirmed')
    EXECUTE FUNCTION exhibit_require_entry();
"""

GRANTS = """
GRANT SELECT, INSERT ON ledger_cosignatures TO exhibit_app;
GRANT SELECT, INSERT, UPDATE ON witnesses, anchors TO exhibit_app;
GRANT SELECT ON witnesses TO exhibit_integrator;
"""

DROP = """
DROP TABLE anchors, witnesses, ledger_cosignatures;
DROP FUNCTION exhibit_settle_anchor();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DROP)
