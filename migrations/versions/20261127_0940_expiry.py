"""Finished packages are kept for a time: their file is removed then, unless a case stands by it (a release)."""

from alembic import op

revision = "r124"
down_revision = "r121b_access_given"
branch_labels = None
depends_on = None

GUARD = """
CREATE OR REPLACE FUNCTION exhibit_guard_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.case_id, NEW.scope, NEW.has_media, NEW.disclosed, NEW.fields, NEW.audience, NEW.is_redacted,
            NEW.needs_approval, NEW.requested_by, NEW.requested_at)
            IS DISTINCT FROM
            (OLD.id, OLD.case_id, OLD.scope, OLD.has_media, OLD.disclosed, OLD.fields, OLD.audience, OLD.is_redacted,
             OLD.needs_approval, OLD.requested_by, OLD.requested_at)
        OR (OLD.frozen IS NOT NULL
            AND (NEW.frozen, NEW.manifest_sha256) IS DISTINCT FROM (OLD.frozen, OLD.manifest_sha256))
        OR (OLD.package_sha256 IS NOT NULL
            AND (NEW.package_sha256, NEW.size_bytes, NEW.seal_checkpoint, NEW.ready_at{new})
                IS DISTINCT FROM (OLD.package_sha256, OLD.size_bytes, OLD.seal_checkpoint, OLD.ready_at{old}))
        OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
            ('awaiting_approval', 'building'), ('awaiting_approval', 'refused'), ('awaiting_approval', 'erased'),
            ('building', 'sealed'), ('building', 'failed'), ('building', 'erased'), ('sealed', 'ready'),
            ('sealed', 'failed'), ('sealed', 'erased'), ('ready', 'erased'), ('failed', 'erased'){steps}))
    THEN
        RAISE EXCEPTION 'an export does not change what it is of, nor go back'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_goes_on';
    END IF;{expiry}
    RETURN NEW;
END $$;
"""

EXPIRY = """
    IF NEW.state = 'expired' AND OLD.state <> 'expired' AND (
        NEW.expires_at IS NULL OR NEW.expires_at > pg_catalog.now()
        OR EXISTS (SELECT FROM public.releases r WHERE r.export_id = NEW.id))
    THEN
        RAISE EXCEPTION 'a package is kept until its time is over, and one that was released for good'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_kept';
    END IF;"""

# What was made before is kept for thirty days more.
UP = """
ALTER TABLE exports ADD COLUMN expires_at timestamptz, DROP CONSTRAINT ck_exports_state_word;
ALTER TABLE exports ADD CONSTRAINT ck_exports_state_word CHECK (state IN
    ('awaiting_approval', 'refused', 'building', 'sealed', 'ready', 'failed', 'erased', 'expired'));
UPDATE exports SET expires_at = now() + interval '30 days' WHERE state = 'ready';
CREATE INDEX ix_exports_expiring ON exports (expires_at) WHERE state = 'ready';
"""

DOWN = """
DROP INDEX ix_exports_expiring;
ALTER TABLE exports DISABLE TRIGGER USER;
UPDATE exports SET state = 'erased' WHERE state = 'expired';
ALTER TABLE exports ENABLE TRIGGER USER;
ALTER TABLE exports DROP COLUMN expires_at, DROP CONSTRAINT ck_exports_state_word;
ALTER TABLE exports ADD CONSTRAINT ck_exports_state_word CHECK (state IN
    ('awaiting_approval', 'refused', 'building', 'sealed', 'ready', 'failed', 'erased'));
"""


def upgrade() -> None:
    op.execute(UP)
    op.execute(
        GUARD.format(new=", NEW.expires_at", old=", OLD.expires_at", steps=", ('ready', 'expired')", expiry=EXPIRY)
    )


def downgrade() -> None:
    op.execute(GUARD.format(new="", old="", steps="", expiry=""))
    op.execute(DOWN)
