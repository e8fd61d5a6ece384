"""Releases: packages that stand for something, with what they rest on; and transfers, with their receipts."""

from alembic import op

revision = "r116c_releases"
down_revision = "r117b_log_schedules"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE releases (
    id uuid NOT NULL CONSTRAINT pk_releases PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_releases_case_id_cases REFERENCES cases (id),
    export_id uuid NOT NULL CONSTRAINT fk_releases_export_id_exports REFERENCES exports (id),
    policy_version integer NOT NULL,
    log_origin text NOT NULL,
    tree_size bigint NOT NULL,
    root bytea NOT NULL,
    manifest_sha256 bytea NOT NULL,
    pins_sha256 bytea NOT NULL,
    items_count integer NOT NULL CONSTRAINT ck_releases_items_count CHECK (items_count >= 0),
    figures_count integer NOT NULL CONSTRAINT ck_releases_figures_count CHECK (figures_count >= 0),
    released_by uuid NOT NULL CONSTRAINT fk_releases_released_by_accounts REFERENCES accounts (id),
    released_at timestamptz NOT NULL,
    CONSTRAINT uq_releases_export UNIQUE (export_id)
);
CREATE INDEX ix_releases_case_id_released_at_id ON releases (case_id, released_at, id);

CREATE TABLE release_items (
    release_id uuid NOT NULL CONSTRAINT fk_release_items_release_id_releases REFERENCES releases (id),
    evidence_id uuid NOT NULL CONSTRAINT fk_release_items_evidence_id_evidence REFERENCES evidence (id),
    version integer NOT NULL,
    state text NOT NULL,
    entries integer NOT NULL,
    head bytea NOT NULL,
    verdict_id uuid CONSTRAINT fk_release_items_verdict_id_verdicts REFERENCES verdicts (id),
    verdict_version integer,
    outcome text,
    CONSTRAINT pk_release_items PRIMARY KEY (release_id, evidence_id),
    CONSTRAINT ck_release_items_verdict_whole CHECK (num_nonnulls(verdict_id, verdict_version, outcome) IN (0, 3))
);

CREATE TABLE release_figures (
    release_id uuid NOT NULL CONSTRAINT fk_release_figures_release_id_releases REFERENCES releases (id),
    number integer NOT NULL CONSTRAINT ck_release_figures_number_counts CHECK (number >= 1),
    answer jsonb NOT NULL,
    CONSTRAINT pk_release_figures PRIMARY KEY (release_id, number)
);

CREATE TABLE transfers (
    id uuid NOT NULL CONSTRAINT pk_transfers PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_transfers_case_id_cases REFERENCES cases (id),
    export_id uuid NOT NULL CONSTRAINT fk_transfers_export_id_exports REFERENCES exports (id),
    state text NOT NULL CONSTRAINT ck_transfers_state_word CHECK (state IN ('transferred', 'accepted', 'revoked')),
    token_sha256 bytea NOT NULL CONSTRAINT ck_transfers_token_digest CHECK (octet_length(token_sha256) = 32),
    public_key bytea CONSTRAINT ck_transfers_key_length CHECK (octet_length(public_key) = 32),
    transferred_by uuid NOT NULL CONSTRAINT fk_transfers_transferred_by_accounts REFERENCES accounts (id),
    transferred_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    confirmed_sha256 bytea,
    signature bytea CONSTRAINT ck_transfers_signature_length CHECK (octet_length(signature) = 64),
    accepted_at timestamptz,
    revoked_by uuid CONSTRAINT fk_transfers_revoked_by_accounts REFERENCES accounts (id),
    revoked_at timestamptz,
    CONSTRAINT uq_transfers_token UNIQUE (token_sha256),
    CONSTRAINT ck_transfers_expires_later CHECK (expires_at > transferred_at),
    CONSTRAINT ck_transfers_accepted_whole CHECK (
        (state = 'accepted') = (accepted_at IS NOT NULL) AND (state = 'accepted') = (confirmed_sha256 IS NOT NULL)),
    CONSTRAINT ck_transfers_signed_as_agreed CHECK (
        CASE WHEN state = 'accepted' THEN (public_key IS NULL) = (signature IS NULL) ELSE signature IS NULL END),
    CONSTRAINT ck_transfers_revoked_whole CHECK (
        (state = 'revoked') = (revoked_at IS NOT NULL) AND (state = 'revoked') = (revoked_by IS NOT NULL))
);
CREATE INDEX ix_transfers_export_id_transferred_at_id ON transfers (export_id, transferred_at, id);
"""

FUNCTIONS = """
-- Only what is ready, approved where that was needed, and the very manifest that was sealed.
CREATE FUNCTION exhibit_guard_release() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.exports x WHERE x.id = NEW.export_id AND x.case_id = NEW.case_id AND x.state = 'ready'
        AND x.manifest_sha256 = NEW.manifest_sha256 AND (x.frozen ->> 'tree_size')::bigint = NEW.tree_size;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a release is of a package that is ready, as it was sealed'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_release_of_ready_export';
    END IF;
    RETURN NEW;
END $$;

-- Nothing is added to a release later: its parts are written with it.
CREATE FUNCTION exhibit_guard_release_part() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.releases r WHERE r.id = NEW.release_id AND r.xmin = pg_current_xact_id()::xid;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a release is written at once' USING ERRCODE = 'integrity_constraint_violation',
            CONSTRAINT = 'exhibit_release_at_once';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_transfer() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    ended text[] := ARRAY['state', 'confirmed_sha256', 'signature', 'accepted_at', 'revoked_by', 'revoked_at'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM public.exports x WHERE x.id = NEW.export_id AND x.case_id = NEW.case_id AND x.state = 'ready'
            AND NEW.state = 'transferred';
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a package is handed over when it is ready'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_transfer_begins';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state <> 'transferred' OR NEW.state = 'transferred' OR to_jsonb(NEW) - ended <> to_jsonb(OLD) - ended THEN
        RAISE EXCEPTION 'a transfer ends once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_transfer_ends_once';
    END IF;
    IF NEW.state = 'accepted' THEN
        PERFORM FROM public.exports x WHERE x.id = NEW.export_id AND x.package_sha256 = NEW.confirmed_sha256
            AND now() < NEW.expires_at;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'who accepts confirms the very package, in time'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_transfer_confirmed';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""

FIXED = """
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
"""
NOT_TRUNCATED = """
CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
"""

TRIGGERS = """
CREATE TRIGGER releases_guarded BEFORE INSERT ON releases FOR EACH ROW EXECUTE FUNCTION exhibit_guard_release();
CREATE TRIGGER release_items_guarded BEFORE INSERT ON release_items
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_release_part();
CREATE TRIGGER release_figures_guarded BEFORE INSERT ON release_figures
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_release_part();
CREATE TRIGGER transfers_guarded BEFORE INSERT OR UPDATE ON transfers
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_transfer();
CREATE TRIGGER transfers_kept BEFORE DELETE ON transfers FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER releases_need_entry AFTER INSERT ON releases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE CONSTRAINT TRIGGER transfers_need_entry AFTER INSERT OR UPDATE ON transfers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
GRANT SELECT, INSERT ON releases, release_items, release_figures, transfers TO exhibit_app;
GRANT UPDATE (state, confirmed_sha256, signature, accepted_at, revoked_by, revoked_at) ON transfers TO exhibit_app;
"""

DROP = """
DROP TABLE transfers, release_figures, release_items, releases;
DROP FUNCTION exhibit_guard_transfer(), exhibit_guard_release_part(), exhibit_guard_release();
"""


def upgrade() -> None:
    for part in (TABLES, FUNCTIONS, TRIGGERS):
        op.execute(part)
    for table in ("releases", "release_items", "release_figures"):
        op.execute(FIXED.format(table=table))
    for table in ("releases", "release_items", "release_figures", "transfers"):
        op.execute(NOT_TRUNCATED.format(table=table))


def downgrade() -> None:
    op.execute(DROP)
