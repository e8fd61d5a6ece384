"""Packages with redacted copies, and packages that another person approves before they are made."""

from alembic import op

revision = "r116b_approvals"
down_revision = "r116_redactions"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE export_media ADD COLUMN input_sha256 bytea;
ALTER TABLE exports
    ADD COLUMN is_redacted boolean NOT NULL DEFAULT false,
    ADD COLUMN needs_approval boolean NOT NULL DEFAULT false,
    ADD COLUMN decision text CONSTRAINT ck_exports_decision_word CHECK (decision IN ('approve', 'refuse')),
    ADD COLUMN decided_by uuid CONSTRAINT fk_exports_decided_by_accounts REFERENCES accounts (id),
    ADD COLUMN decided_at timestamptz,
    DROP CONSTRAINT ck_exports_state_word;
ALTER TABLE exports
    ADD CONSTRAINT ck_exports_state_word CHECK (state IN
        ('awaiting_approval', 'refused', 'building', 'sealed', 'ready', 'failed', 'erased')),
    ADD CONSTRAINT ck_exports_copies_instead CHECK (NOT (has_media AND is_redacted)),
    ADD CONSTRAINT ck_exports_decision_complete
        CHECK ((decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)),
    ADD CONSTRAINT ck_exports_second_person CHECK (decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by),
    ADD CONSTRAINT ck_exports_decided_when_needed CHECK (needs_approval OR decision IS NULL),
    ADD CONSTRAINT ck_exports_refused_as_decided
        CHECK ((state = 'refused') <= (decision IS NOT DISTINCT FROM 'refuse')),
    ADD CONSTRAINT ck_exports_approved_first CHECK (NOT needs_approval OR decision IS NOT DISTINCT FROM 'approve'
        OR state IN ('awaiting_approval', 'refused', 'erased') AND package_sha256 IS NULL AND frozen IS NULL);
"""

GUARD = """
CREATE OR REPLACE FUNCTION exhibit_guard_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.case_id, NEW.scope, NEW.has_media, NEW.disclosed, NEW.fields, NEW.audience, {new}NEW.requested_by,
            NEW.requested_at)
            IS DISTINCT FROM
            (OLD.id, OLD.case_id, OLD.scope, OLD.has_media, OLD.disclosed, OLD.fields, OLD.audience,
             {old}OLD.requested_by, OLD.requested_at)
        OR (OLD.frozen IS NOT NULL
            AND (NEW.frozen, NEW.manifest_sha256) IS DISTINCT FROM (OLD.frozen, OLD.manifest_sha256))
        OR (OLD.package_sha256 IS NOT NULL
            AND (NEW.package_sha256, NEW.size_bytes, NEW.seal_checkpoint, NEW.ready_at)
                IS DISTINCT FROM (OLD.package_sha256, OLD.size_bytes, OLD.seal_checkpoint, OLD.ready_at))
        OR (NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (
            {steps}('building', 'sealed'), ('building', 'failed'), ('building', 'erased'), ('sealed', 'ready'),
            ('sealed', 'failed'), ('sealed', 'erased'), ('ready', 'erased'), ('failed', 'erased')))
    THEN
        RAISE EXCEPTION 'an export does not change what it is of, nor go back'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_goes_on';
    END IF;
    RETURN NEW;
END $$;
"""

FUNCTIONS = """
-- As the case's policy has it, and not as the application says.
CREATE FUNCTION exhibit_begin_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_needed boolean;
BEGIN
    SELECT coalesce((p.document ->> 'exports_need_approval')::boolean, false) INTO is_needed
        FROM public.case_policies p WHERE p.case_id = NEW.case_id ORDER BY p.version DESC LIMIT 1;
    IF NEW.needs_approval <> coalesce(is_needed, false) OR NEW.decision IS NOT NULL
        OR NEW.state <> (CASE WHEN NEW.needs_approval THEN 'awaiting_approval' ELSE 'building' END)
    THEN
        RAISE EXCEPTION 'an export begins as the case''s policy has it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_as_policy';
    END IF;
    RETURN NEW;
END $$;

-- One decision, by somebody who may decide, and the step that belongs to it.
CREATE FUNCTION exhibit_decide_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.decision, NEW.decided_by, NEW.decided_at)
        IS NOT DISTINCT FROM (OLD.decision, OLD.decided_by, OLD.decided_at)
    THEN
        IF OLD.state = 'awaiting_approval' AND NEW.state NOT IN ('awaiting_approval', 'erased') THEN
            RAISE EXCEPTION 'nothing is made before it is decided'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_decided_once';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.decision IS NOT NULL OR OLD.state <> 'awaiting_approval'
        OR NEW.state <> (CASE NEW.decision WHEN 'approve' THEN 'building' ELSE 'refused' END)
    THEN
        RAISE EXCEPTION 'an export is decided about once'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_decided_once';
    END IF;
    PERFORM FROM public.case_members m WHERE m.case_id = NEW.case_id AND m.account_id = NEW.decided_by
        AND m.role IN ('coordinator', 'researcher', 'custodian');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a coordinator, researcher or custodian of the case decides'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_decider';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_export_download() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.exports x WHERE x.id = NEW.export_id AND x.state = 'ready'
        AND (NOT x.needs_approval OR x.decision = 'approve' AND x.decided_by <> x.requested_by);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a package is taken when it is ready, and approved where that is needed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_export_taken_when_ready';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER exports_begin BEFORE INSERT ON exports FOR EACH ROW EXECUTE FUNCTION exhibit_begin_export();
CREATE TRIGGER exports_decided BEFORE UPDATE ON exports FOR EACH ROW EXECUTE FUNCTION exhibit_decide_export();
CREATE CONSTRAINT TRIGGER exports_decision_needs_entry AFTER UPDATE ON exports
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.decision IS NOT NULL AND OLD.decision IS NULL)
    EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE TRIGGER export_downloads_guarded BEFORE INSERT OR UPDATE ON export_downloads
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_export_download();
"""

DROP = """
DROP TRIGGER export_downloads_guarded ON export_downloads;
DROP TRIGGER exports_decision_needs_entry ON exports;
DROP TRIGGER exports_decided ON exports;
DROP TRIGGER exports_begin ON exports;
DROP FUNCTION exhibit_guard_export_download(), exhibit_decide_export(), exhibit_begin_export();
"""

# What the older version has no word for ends there as failed.
BACK = """
ALTER TABLE exports DISABLE TRIGGER USER;
ALTER TABLE exports DROP CONSTRAINT ck_exports_state_word, DROP CONSTRAINT ck_exports_approved_first,
    DROP CONSTRAINT ck_exports_refused_as_decided;
UPDATE exports SET state = 'failed', error = 'migrated_back' WHERE state IN ('awaiting_approval', 'refused')
    OR is_redacted AND state IN ('building', 'sealed');
ALTER TABLE exports ENABLE TRIGGER USER;
ALTER TABLE exports
    DROP COLUMN is_redacted, DROP COLUMN needs_approval, DROP COLUMN decision, DROP COLUMN decided_by,
    DROP COLUMN decided_at,
    ADD CONSTRAINT ck_exports_state_word CHECK (state IN ('building', 'sealed', 'ready', 'failed', 'erased'));
ALTER TABLE export_media DROP COLUMN input_sha256;
"""

STEPS = "('awaiting_approval', 'building'), ('awaiting_approval', 'refused'), ('awaiting_approval', 'erased'), "


def upgrade() -> None:
    op.execute(COLUMNS)
    compared = "{0}.is_redacted, {0}.needs_approval, "
    op.execute(GUARD.format(new=compared.format("NEW"), old=compared.format("OLD"), steps=STEPS))
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(DROP)
    op.execute(GUARD.format(new="", old="", steps=""))
    op.execute(BACK)
