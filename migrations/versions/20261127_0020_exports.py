"""Packages that prove themselves: what was asked for, how far it is, and the media in it."""

from alembic import op

revision = "r110_exports"
down_revision = "r102_vault"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE exports (
    id uuid NOT NULL CONSTRAINT pk_exports PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_exports_case_id_cases REFERENCES cases (id),
    scope text NOT NULL CONSTRAINT ck_exports_scope_word CHECK (scope IN ('case', 'incident', 'evidence', 'selection')),
    has_media boolean NOT NULL,
    disclosed text NOT NULL CONSTRAINT ck_exports_disclosed_word CHECK (disclosed IN ('none', 'fields', 'all')),
    fields text[] NOT NULL,
    requested_by uuid NOT NULL CONSTRAINT fk_exports_requested_by_accounts REFERENCES accounts (id),
    requested_at timestamptz NOT NULL,
    state text NOT NULL
        CONSTRAINT ck_exports_state_word CHECK (state IN ('building', 'sealed', 'ready', 'failed', 'erased')),
    error text,
    done_bytes bigint NOT NULL DEFAULT 0,
    total_bytes bigint NOT NULL DEFAULT 0,
    frozen jsonb,
    manifest_sha256 bytea,
    seal_checkpoint text,
    package_sha256 bytea,
    size_bytes bigint,
    ready_at timestamptz,
    CONSTRAINT ck_exports_fields_named CHECK ((disclosed = 'fields') = (fields <> '{}')),
    CONSTRAINT ck_exports_sealed_as_frozen CHECK ((frozen IS NULL) = (manifest_sha256 IS NULL)),
    CONSTRAINT ck_exports_sealed_has_inputs CHECK (state NOT IN ('sealed', 'ready') OR frozen IS NOT NULL),
    CONSTRAINT ck_exports_file_has_size CHECK ((package_sha256 IS NULL) = (size_bytes IS NULL)),
    CONSTRAINT ck_exports_ready_stored
        CHECK (state <> 'ready' OR package_sha256 IS NOT NULL AND ready_at IS NOT NULL),
    CONSTRAINT ck_exports_failed_has_error CHECK ((state = 'failed') = (error IS NOT NULL)),
    CONSTRAINT ck_exports_progress_counts CHECK (done_bytes >= 0 AND total_bytes >= 0)
);
CREATE INDEX ix_exports_case_id_requested_at_id ON exports (case_id, requested_at, id);
CREATE INDEX ix_exports_waiting ON exports (id) WHERE state IN ('building', 'sealed');

CREATE TABLE export_media (
    export_id uuid NOT NULL CONSTRAINT fk_export_media_export_id_exports REFERENCES exports (id),
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL CONSTRAINT ck_export_media_size_positive CHECK (size_bytes > 0),
    extension text NOT NULL CONSTRAINT ck_export_media_extension_plain CHECK (extension ~ '^[a-z0-9]{1,8}$'),
    sha512 bytea,
    crc32 bigint CONSTRAINT ck_export_media_crc32_in_32_bits CHECK (crc32 BETWEEN 0 AND 4294967295),
    CONSTRAINT pk_export_media PRIMARY KEY (export_id, sha256),
    CONSTRAINT ck_export_media_read_at_once
        CHECK (octet_length(sha512) = 64 AND (sha512 IS NULL) = (crc32 IS NULL))
);

CREATE TABLE export_downloads (
    export_id uuid NOT NULL CONSTRAINT fk_export_downloads_export_id_exports REFERENCES exports (id),
    account_id uuid NOT NULL CONSTRAINT fk_export_downloads_account_id_accounts REFERENCES accounts (id),
    logged_at timestamptz NOT NULL,
    CONSTRAINT pk_export_downloads PRIMARY KEY (export_id, account_id)
);

-- By the entries of one export: which streams it covers, and its seal.
CREATE INDEX ix_ledger_entries_exports ON ledger_entries (object_id)
    WHERE type IN ('export.created', 'export.sealed', 'export.downloaded');

-- What was asked for stays; what is sealed stays; no step is taken back.
CREATE FUNCTION exhibit_guard_export() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.case_id, NEW.scope, NEW.has_media, NEW.disclosed, NEW.fields, NEW.requested_by, NEW.requested_at)
            IS DISTINCT FROM
            (OLD.id, OLD.case_id, OLD.scope, OLD.has_media, OLD.disclosed, OLD.fields, OLD.requested_by,
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
CREATE TRIGGER exports_go_on BEFORE UPDATE ON exports FOR EACH ROW EXECUTE FUNCTION exhibit_guard_export();
CREATE TRIGGER exports_kept BEFORE DELETE ON exports FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER exports_not_truncated BEFORE TRUNCATE ON exports
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER exports_need_entry AFTER INSERT ON exports
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE CONSTRAINT TRIGGER exports_need_seal AFTER UPDATE ON exports
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.state = 'sealed' AND OLD.state <> 'sealed')
    EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE TRIGGER export_media_kept BEFORE DELETE ON export_media
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER export_media_not_truncated BEFORE TRUNCATE ON export_media
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();

GRANT SELECT, INSERT, UPDATE ON exports, export_downloads TO exhibit_app;
GRANT SELECT, INSERT ON export_media TO exhibit_app;
GRANT UPDATE (sha512, crc32) ON export_media TO exhibit_app;
"""

DOWN = """
DROP INDEX ix_ledger_entries_exports;
DROP TABLE export_downloads;
DROP TABLE export_media;
DROP TABLE exports;
DROP FUNCTION exhibit_guard_export();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
