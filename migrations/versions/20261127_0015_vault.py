"""The vault: who a source is, encrypted, apart from all content, opened by two persons.

The application's role adds ciphertexts and destroys them; it cannot read one. A function with its owner's rights hands
one out, once, for an opening that another person of the case approved a short while ago.
"""

from alembic import op

revision = "r102_vault"
down_revision = "r108_tiers"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE evidence ADD COLUMN source_number integer CONSTRAINT ck_evidence_source_number_counts
    CHECK (source_number > 0);

CREATE TABLE vault_identities (
    id uuid NOT NULL CONSTRAINT pk_vault_identities PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_vault_identities_case_id_cases REFERENCES cases (id),
    stream_id uuid NOT NULL CONSTRAINT fk_vault_identities_stream_id_ledger_streams REFERENCES ledger_streams (id),
    subject_kind text NOT NULL CONSTRAINT ck_vault_identities_subject_kind_word
        CHECK (subject_kind IN ('evidence', 'testimony')),
    subject_id uuid NOT NULL,
    number integer NOT NULL,
    version integer NOT NULL,
    supersedes uuid CONSTRAINT fk_vault_identities_supersedes_vault_identities REFERENCES vault_identities (id),
    key_id text NOT NULL,
    ciphertext_sha256 bytea NOT NULL,
    sealed_by uuid NOT NULL CONSTRAINT fk_vault_identities_sealed_by_accounts REFERENCES accounts (id),
    sealed_at timestamptz NOT NULL,
    CONSTRAINT uq_vault_identities_version UNIQUE (subject_id, version),
    CONSTRAINT uq_vault_identities_number UNIQUE (case_id, number, version),
    CONSTRAINT ck_vault_identities_supersedes_the_one_before
        CHECK (version > 0 AND (version = 1) = (supersedes IS NULL)),
    CONSTRAINT ck_vault_identities_item_is_its_stream CHECK (subject_kind <> 'evidence' OR subject_id = stream_id)
);

CREATE TABLE vault_secrets (
    identity_id uuid NOT NULL CONSTRAINT pk_vault_secrets PRIMARY KEY
        CONSTRAINT fk_vault_secrets_identity_id_vault_identities REFERENCES vault_identities (id),
    wrapped_key bytea NOT NULL,
    ciphertext bytea NOT NULL
);

CREATE TABLE vault_openings (
    id uuid NOT NULL CONSTRAINT pk_vault_openings PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_vault_openings_case_id_cases REFERENCES cases (id),
    stream_id uuid NOT NULL CONSTRAINT fk_vault_openings_stream_id_ledger_streams REFERENCES ledger_streams (id),
    identity_id uuid NOT NULL
        CONSTRAINT fk_vault_openings_identity_id_vault_identities REFERENCES vault_identities (id),
    purpose text NOT NULL CONSTRAINT ck_vault_openings_purpose_word CHECK (purpose IN ('source_safety',
        'contacting_source', 'consent', 'verification', 'legal_proceedings', 'data_subject_request')),
    requested_by uuid NOT NULL CONSTRAINT fk_vault_openings_requested_by_accounts REFERENCES accounts (id),
    requested_at timestamptz NOT NULL,
    decision text CONSTRAINT ck_vault_openings_decision_word CHECK (decision IN ('approve', 'refuse')),
    decided_by uuid CONSTRAINT fk_vault_openings_decided_by_accounts REFERENCES accounts (id),
    decided_at timestamptz,
    opened_at timestamptz,
    CONSTRAINT ck_vault_openings_decision_complete
        CHECK ((decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)),
    CONSTRAINT ck_vault_openings_second_person
        CHECK (decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by),
    CONSTRAINT ck_vault_openings_opened_when_approved
        CHECK (opened_at IS NULL OR decision IS NOT DISTINCT FROM 'approve')
);
CREATE UNIQUE INDEX uq_vault_openings_open ON vault_openings (identity_id, requested_by) WHERE decision IS NULL;
CREATE INDEX ix_vault_openings_case_id_requested_at_id ON vault_openings (case_id, requested_at, id);
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_guard_identity() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    SELECT i.id, i.version, i.number, i.stream_id INTO last FROM public.vault_identities i
        WHERE i.subject_id = NEW.subject_id ORDER BY i.version DESC LIMIT 1;
    IF NEW.supersedes IS DISTINCT FROM last.id OR NEW.version <> coalesce(last.version, 0) + 1
        OR NEW.number <> coalesce(last.number, NEW.number) OR NEW.stream_id <> coalesce(last.stream_id, NEW.stream_id)
    THEN
        RAISE EXCEPTION 'an identity supersedes the one in force, under its number'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_supersedes_identity_in_force';
    END IF;
    IF NOT EXISTS (SELECT FROM public.ledger_streams s WHERE s.id = NEW.stream_id AND s.case_id = NEW.case_id) THEN
        RAISE EXCEPTION 'an identity belongs to the case of its item'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_identity_of_its_case';
    END IF;
    RETURN NEW;
END $$;

-- A ciphertext belongs to what was logged of it, and goes only with the entry that erases it.
CREATE FUNCTION exhibit_guard_secret() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.vault_identities i
        WHERE i.id = NEW.identity_id AND i.ciphertext_sha256 = sha256(NEW.ciphertext);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a ciphertext is the one that was recorded'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_secret_as_recorded';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_identity_destroyed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.vault_identities i JOIN public.ledger_entries e ON e.stream_id = i.stream_id
        WHERE i.id = OLD.identity_id AND e.xact = pg_current_xact_id()
            AND e.type IN ('evidence.erased', 'incident.erased', 'entry.erased');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an identity goes only with the entry that erases it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_identity_destroyed';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_guard_opening() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    decision text[] := ARRAY['decision', 'decided_by', 'decided_at'];
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM FROM public.vault_identities i WHERE i.id = NEW.identity_id AND i.stream_id = NEW.stream_id
            AND i.case_id = NEW.case_id AND NEW.decision IS NULL AND NEW.opened_at IS NULL;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a request is of an identity of its case, and begins undecided'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_begins';
        END IF;
    ELSIF NEW.opened_at IS DISTINCT FROM OLD.opened_at THEN
        IF OLD.opened_at IS NOT NULL OR to_jsonb(NEW) - 'opened_at' <> to_jsonb(OLD) - 'opened_at' THEN
            RAISE EXCEPTION 'a request opens once' USING ERRCODE = 'integrity_constraint_violation',
                CONSTRAINT = 'exhibit_opening_used';
        END IF;
    ELSIF OLD.decision IS NOT NULL OR NEW.decision IS NULL OR to_jsonb(NEW) - decision <> to_jsonb(OLD) - decision
    THEN
        RAISE EXCEPTION 'a request is decided once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_decided_once';
    ELSIF NEW.decision = 'approve' THEN
        PERFORM FROM public.case_members m WHERE m.case_id = NEW.case_id AND m.account_id = NEW.decided_by
            AND m.role IN ('coordinator', 'custodian');
        IF NOT FOUND THEN
            RAISE EXCEPTION 'a coordinator or a custodian of the case approves'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_approver';
        END IF;
    END IF;
    RETURN NEW;
END $$;

-- The one way to a ciphertext. With its owner's rights; who it was approved by stands in the row.
CREATE FUNCTION exhibit_open_identity(opening uuid) RETURNS TABLE (wrapped_key bytea, ciphertext bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    opened uuid;
BEGIN
    UPDATE public.vault_openings o SET opened_at = now()
        WHERE o.id = opening AND o.decision = 'approve' AND o.decided_by <> o.requested_by AND o.opened_at IS NULL
            AND o.decided_at > now() - interval '15 minutes'
        RETURNING o.identity_id INTO opened;
    IF opened IS NULL THEN
        RAISE EXCEPTION 'no approval stands by which this could be opened'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_used';
    END IF;
    RETURN QUERY SELECT s.wrapped_key, s.ciphertext FROM public.vault_secrets s WHERE s.identity_id = opened;
END $$;
REVOKE ALL ON FUNCTION exhibit_open_identity(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exhibit_open_identity(uuid) TO exhibit_app;

CREATE FUNCTION exhibit_unsealing_has_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.ledger_entries e WHERE e.stream_id = NEW.stream_id AND e.xact = pg_current_xact_id()
        AND e.type IN ('evidence.identity_unsealed', 'incident.identity_unsealed');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an opening has its own entry'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_unsealing_has_entry';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER vault_identities_guarded BEFORE INSERT ON vault_identities
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_identity();
CREATE TRIGGER vault_secrets_guarded BEFORE INSERT ON vault_secrets
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_secret();
CREATE TRIGGER vault_openings_guarded BEFORE INSERT OR UPDATE ON vault_openings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_opening();
CREATE TRIGGER vault_identities_fixed BEFORE UPDATE OR DELETE ON vault_identities
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_secrets_fixed BEFORE UPDATE ON vault_secrets
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_openings_kept BEFORE DELETE ON vault_openings
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_identities_not_truncated BEFORE TRUNCATE ON vault_identities
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_secrets_not_truncated BEFORE TRUNCATE ON vault_secrets
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_openings_not_truncated BEFORE TRUNCATE ON vault_openings
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER vault_identities_need_entry AFTER INSERT ON vault_identities
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream_id');
CREATE CONSTRAINT TRIGGER vault_openings_need_entry AFTER INSERT OR UPDATE ON vault_openings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream_id');
CREATE CONSTRAINT TRIGGER vault_openings_unsealing AFTER UPDATE OF opened_at ON vault_openings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_unsealing_has_entry();
CREATE CONSTRAINT TRIGGER vault_secrets_destroyed AFTER DELETE ON vault_secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_identity_destroyed();
GRANT SELECT, INSERT ON vault_identities, vault_openings TO exhibit_app;
GRANT UPDATE (decision, decided_by, decided_at) ON vault_openings TO exhibit_app;
GRANT INSERT, DELETE ON vault_secrets TO exhibit_app;
GRANT SELECT (identity_id) ON vault_secrets TO exhibit_app;
"""

DROP = """
DROP TABLE vault_openings, vault_secrets, vault_identities;
DROP FUNCTION exhibit_unsealing_has_entry(), exhibit_open_identity(uuid), exhibit_guard_opening(),
    exhibit_identity_destroyed(), exhibit_guard_secret(), exhibit_guard_identity();
ALTER TABLE evidence DROP COLUMN source_number;
"""


def upgrade() -> None:
    for part in (TABLES, FUNCTIONS, TRIGGERS):
        op.execute(part)


def downgrade() -> None:
    op.execute(DROP)
