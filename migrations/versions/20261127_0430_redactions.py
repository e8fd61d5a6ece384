"""Redacted copies: pictures made anew with parts covered, which go out in place of originals."""

from alembic import op

revision = "r116_redactions"
down_revision = "r112_counted_items"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE redactions (
    id uuid NOT NULL CONSTRAINT pk_redactions PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_redactions_evidence_id_evidence REFERENCES evidence (id),
    blob_sha256 bytea NOT NULL CONSTRAINT fk_redactions_blob_sha256_blobs REFERENCES blobs (sha256),
    time_ms integer,
    parameters jsonb NOT NULL,
    parameters_sha256 bytea NOT NULL,
    state text NOT NULL CONSTRAINT ck_redactions_state_word CHECK (state IN ('pending', 'done', 'failed')),
    error text,
    requested_by uuid NOT NULL CONSTRAINT fk_redactions_requested_by_accounts REFERENCES accounts (id),
    requested_at timestamptz NOT NULL,
    tool text,
    tool_version text,
    sha256 bytea,
    size_bytes bigint,
    width integer,
    height integer,
    made_at timestamptz,
    CONSTRAINT ck_redactions_done_complete CHECK (
        (state = 'done') = (num_nonnulls(tool, tool_version, sha256, size_bytes, width, height, made_at) = 7)
        AND num_nonnulls(tool, tool_version, sha256, size_bytes, width, height, made_at) IN (0, 7)),
    CONSTRAINT ck_redactions_failed_has_error CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_redactions_time_counts CHECK (time_ms >= 0)
);
CREATE INDEX ix_redactions_evidence_id_requested_at_id ON redactions (evidence_id, requested_at, id);
CREATE INDEX ix_redactions_sha256 ON redactions (sha256);
CREATE INDEX ix_redactions_waiting ON redactions (id) WHERE state = 'pending';

-- What was asked for stays; a copy is made once, and is then what it is.
CREATE FUNCTION exhibit_guard_redaction() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made text[] := ARRAY['state', 'error', 'tool', 'tool_version', 'sha256', 'size_bytes', 'width', 'height',
        'made_at'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.blob_sha256 = NEW.blob_sha256
            AND NEW.state = 'pending';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a redacted copy is of its item''s file, and begins undone'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_redaction_begins';
        END IF;
    ELSIF OLD.state <> 'pending' OR NEW.state = 'pending' OR to_jsonb(NEW) - made <> to_jsonb(OLD) - made THEN
        RAISE EXCEPTION 'a redacted copy is made once, and as it was asked for'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_redaction_made_once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER redactions_guarded BEFORE INSERT OR UPDATE ON redactions
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_redaction();
CREATE TRIGGER redactions_kept BEFORE DELETE ON redactions FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER redactions_not_truncated BEFORE TRUNCATE ON redactions
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER redactions_need_entry AFTER INSERT ON redactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER redactions_made_need_entry AFTER UPDATE ON redactions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'done')
    EXECUTE FUNCTION exhibit_require_entry('evidence_id');
GRANT SELECT, INSERT ON redactions TO exhibit_app;
GRANT UPDATE (state, error, tool, tool_version, sha256, size_bytes, width, height, made_at) ON redactions
    TO exhibit_app;
"""

DOWN = """
DROP TABLE redactions;
DROP FUNCTION exhibit_guard_redaction();
"""

RENDERINGS = """
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
{before}
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word CHECK (rendering IN ({words}));
"""
BEFORE = (
    "'original', 'thumbnail', 'strip', 'frame', 'comparison', 'preview_softened', 'preview_grey', 'strip_softened', "
    "'strip_grey'"
)


def upgrade() -> None:
    op.execute(UP)
    op.execute(RENDERINGS.format(before="", words=f"{BEFORE}, 'redacted'"))


def downgrade() -> None:
    forgotten = "DELETE FROM evidence_views WHERE rendering = 'redacted';"
    op.execute(RENDERINGS.format(before=forgotten, words=BEFORE))
    op.execute(DOWN)
