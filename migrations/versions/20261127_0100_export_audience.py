"""For whom a package is: by that, what consents close is kept out of it."""

from alembic import op

revision = "r111_export_audience"
down_revision = "r104_acts"
branch_labels = None
depends_on = None

COMPARED = """
CREATE OR REPLACE FUNCTION exhibit_guard_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.case_id, NEW.scope, NEW.has_media, NEW.disclosed, NEW.fields, {new}NEW.requested_by,
            NEW.requested_at)
            IS DISTINCT FROM
            (OLD.id, OLD.case_id, OLD.scope, OLD.has_media, OLD.disclosed, OLD.fields, {old}OLD.requested_by,
             OLD.requested_at)
        OR (OLD.frozen IS NOT NULL
            AND (NEW.frozen, NEW.manifest_sha256) IS DISTINCT FROM (OLD.frozen, OLD.manifest_sha256))
        OR (OLD.package_sha256 IS NOT NULL
            AND (NEW.package_sha256, NEW.size_bytes, NEW.seal_checkpoint, NEW.ready_at)
                IS DISTINCT FROM (OLD.package_sha256, OLD.size_bytes, OLD.seal_checkpoint, OLD.ready_at))
        OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
            ('building', 'sealed'), ('building', 'failed'), ('building', 'erased'), ('sealed', 'ready'),
            ('sealed', 'failed'), ('sealed', 'erased'), ('ready', 'erased'), ('failed', 'erased')))
    THEN
        RAISE EXCEPTION 'an export does not change what it is of, nor go back'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_goes_on';
    END IF;
    RETURN NEW;
END $$;
"""

UP = """
ALTER TABLE exports ADD COLUMN audience text NOT NULL DEFAULT 'legal_proceedings'
    CONSTRAINT ck_exports_audience_word CHECK (audience IN ('partners', 'legal_proceedings', 'publication'));
"""

DOWN = "ALTER TABLE exports DROP COLUMN audience;"


def upgrade() -> None:
    op.execute(UP)
    op.execute(COMPARED.format(new="NEW.audience, ", old="OLD.audience, "))


def downgrade() -> None:
    op.execute(COMPARED.format(new="", old=""))
    op.execute(DOWN)
