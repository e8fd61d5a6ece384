"""Reviewers' own keys, checked by another person, and verdicts signed with them as DSSE envelopes."""

from alembic import op

revision = "r24_reviewer_keys"
down_revision = "r21_log_identities"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE reviewer_key_holders (
    public_key bytea NOT NULL CONSTRAINT pk_reviewer_key_holders PRIMARY KEY
        CONSTRAINT ck_reviewer_key_holders_public_key_size CHECK (octet_length(public_key) = 32),
    holder_id uuid NOT NULL CONSTRAINT fk_reviewer_key_holders_holder_id_accounts REFERENCES accounts (id),
    CONSTRAINT uq_reviewer_key_holders_public_key_holder_id UNIQUE (public_key, holder_id)
);

CREATE TABLE reviewer_keys (
    id uuid NOT NULL CONSTRAINT pk_reviewer_keys PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_reviewer_keys_case_id_cases REFERENCES cases (id),
    holder_id uuid NOT NULL CONSTRAINT fk_reviewer_keys_holder_id_accounts REFERENCES accounts (id),
    public_key bytea NOT NULL,
    keyid bytea NOT NULL CONSTRAINT ck_reviewer_keys_keyid_of_key
        CHECK (keyid = sha256('\\x302a300506032b6570032100'::bytea || public_key)),
    envelope bytea NOT NULL,
    dsse_sha256 bytea NOT NULL CONSTRAINT ck_reviewer_keys_dsse_sha256_of_envelope
        CHECK (dsse_sha256 = sha256(envelope)),
    requested_at timestamptz NOT NULL,
    CONSTRAINT fk_reviewer_keys_public_key_holder_id_reviewer_key_holders
        FOREIGN KEY (public_key, holder_id) REFERENCES reviewer_key_holders (public_key, holder_id),
    CONSTRAINT uq_reviewer_keys_keyid UNIQUE (case_id, keyid),
    CONSTRAINT uq_reviewer_keys_id_case_id_holder_id UNIQUE (id, case_id, holder_id)
);
CREATE INDEX ix_reviewer_keys_case_id_requested_at_id ON reviewer_keys (case_id, requested_at, id);
CREATE INDEX ix_reviewer_keys_dsse_sha256 ON reviewer_keys (dsse_sha256);

CREATE TABLE reviewer_key_bindings (
    key_id uuid NOT NULL CONSTRAINT pk_reviewer_key_bindings PRIMARY KEY,
    case_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    checked_by uuid NOT NULL CONSTRAINT fk_reviewer_key_bindings_checked_by_accounts REFERENCES accounts (id)
        CONSTRAINT ck_reviewer_key_bindings_checked_by_another CHECK (checked_by <> holder_id),
    checked_how text NOT NULL CONSTRAINT ck_reviewer_key_bindings_checked_how_given CHECK (checked_how <> ''),
    bound_at timestamptz NOT NULL,
    CONSTRAINT fk_reviewer_key_bindings_key_id_case_id_holder_id_reviewer_keys
        FOREIGN KEY (key_id, case_id, holder_id) REFERENCES reviewer_keys (id, case_id, holder_id)
);

CREATE TABLE reviewer_key_revocations (
    key_id uuid NOT NULL CONSTRAINT pk_reviewer_key_revocations PRIMARY KEY,
    case_id uuid NOT NULL,
    holder_id uuid NOT NULL,
    revoked_by uuid NOT NULL CONSTRAINT fk_reviewer_key_revocations_revoked_by_accounts REFERENCES accounts (id),
    reason_code text NOT NULL CONSTRAINT ck_reviewer_key_revocations_reason_code_word CHECK (reason_code IN ('key_lost',
        'key_compromised', 'replaced', 'person_left', 'bound_in_error', 'other')),
    reason text,
    revoked_at timestamptz NOT NULL,
    CONSTRAINT fk_reviewer_key_revocations_key_id_case_id_holder_id_reviewer_keys
        FOREIGN KEY (key_id, case_id, holder_id) REFERENCES reviewer_keys (id, case_id, holder_id)
);

CREATE TABLE verdict_signatures (
    verdict_id uuid NOT NULL CONSTRAINT pk_verdict_signatures PRIMARY KEY,
    evidence_id uuid NOT NULL,
    key_id uuid NOT NULL CONSTRAINT fk_verdict_signatures_key_id_reviewer_keys REFERENCES reviewer_keys (id),
    key_bound bytea NOT NULL CONSTRAINT ck_verdict_signatures_key_bound_size CHECK (octet_length(key_bound) = 32),
    dsse_sha256 bytea NOT NULL CONSTRAINT ck_verdict_signatures_dsse_sha256_size
        CHECK (octet_length(dsse_sha256) = 32),
    CONSTRAINT uq_verdict_signatures_dsse_sha256 UNIQUE (dsse_sha256),
    CONSTRAINT fk_verdict_signatures_verdict_id_evidence_id_verdicts
        FOREIGN KEY (verdict_id, evidence_id) REFERENCES verdicts (id, evidence_id)
);

CREATE TABLE verdict_envelopes (
    verdict_id uuid NOT NULL CONSTRAINT pk_verdict_envelopes PRIMARY KEY
        CONSTRAINT fk_verdict_envelopes_verdict_id_verdict_signatures REFERENCES verdict_signatures (verdict_id),
    envelope bytea NOT NULL
);

ALTER TABLE verdicts DROP CONSTRAINT ck_verdicts_signature_mode_word;
ALTER TABLE verdicts ADD CONSTRAINT ck_verdicts_signature_mode_word CHECK (signature_mode IN ('none', 'own_key'));

CREATE INDEX ix_ledger_entries_reviewer_key_bound ON ledger_entries (object_id)
    WHERE type = 'case.reviewer_key_bound';
"""

# The case's row decides between a revocation and what would use the key at the same moment: the one locks it alone, the
# others share it, as the application does before it touches any item.
FUNCTIONS = """
CREATE FUNCTION exhibit_guard_key_binding() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.cases c WHERE c.id = NEW.case_id FOR SHARE;
    IF EXISTS (SELECT FROM public.reviewer_key_revocations r WHERE r.key_id = NEW.key_id) THEN
        RAISE EXCEPTION 'a revoked key is bound no more'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_reviewer_key_revoked';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_key_revocation() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.cases c WHERE c.id = NEW.case_id FOR UPDATE;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_verdict_signature() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    key record;
    item record;
BEGIN
    SELECT e.case_id, v.author_id, v.signature_mode INTO item
        FROM public.verdicts v JOIN public.evidence e ON e.id = v.evidence_id WHERE v.id = NEW.verdict_id;
    PERFORM FROM public.cases c WHERE c.id = item.case_id FOR SHARE;
    SELECT k.case_id, k.holder_id INTO key FROM public.reviewer_keys k WHERE k.id = NEW.key_id;
    IF key.holder_id IS DISTINCT FROM item.author_id THEN
        RAISE EXCEPTION 'a verdict is signed with its author''s own key'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_signed_by_holder';
    END IF;
    IF key.case_id IS DISTINCT FROM item.case_id OR item.signature_mode IS DISTINCT FROM 'own_key'
        OR NOT EXISTS (SELECT FROM public.reviewer_key_bindings b WHERE b.key_id = NEW.key_id)
        OR NOT EXISTS (SELECT FROM public.ledger_entries e WHERE e.commitment = NEW.key_bound
            AND e.object_id = NEW.key_id AND e.type = 'case.reviewer_key_bound')
    THEN
        RAISE EXCEPTION 'a verdict is signed with a key that is bound in its case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_signed_by_bound_key';
    END IF;
    IF EXISTS (SELECT FROM public.reviewer_key_revocations r WHERE r.key_id = NEW.key_id) THEN
        RAISE EXCEPTION 'a revoked key signs no more'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_reviewer_key_revoked';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_verdict_is_signed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.verdict_signatures s JOIN public.verdict_envelopes e ON e.verdict_id = s.verdict_id
        WHERE s.verdict_id = NEW.id AND s.dsse_sha256 = sha256(e.envelope);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a verdict of the mode own_key has its signature and the envelope of that digest'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_verdict_is_signed';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER reviewer_key_bindings_guarded BEFORE INSERT ON reviewer_key_bindings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_key_binding();
CREATE TRIGGER reviewer_key_revocations_guarded BEFORE INSERT ON reviewer_key_revocations
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_key_revocation();
CREATE TRIGGER verdict_signatures_guarded BEFORE INSERT ON verdict_signatures
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_verdict_signature();
CREATE CONSTRAINT TRIGGER verdicts_signed AFTER INSERT ON verdicts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.signature_mode = 'own_key')
    EXECUTE FUNCTION exhibit_verdict_is_signed();
CREATE CONSTRAINT TRIGGER verdict_signatures_need_entry AFTER INSERT ON verdict_signatures
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
"""

KEY_TABLES = ("reviewer_keys", "reviewer_key_bindings", "reviewer_key_revocations")
NEVER_EDITED = ("reviewer_key_holders", *KEY_TABLES, "verdict_signatures", "verdict_envelopes")

FIX = """
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
"""

NEED_ENTRY = """
CREATE CONSTRAINT TRIGGER {table}_need_entry AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
"""

GRANTS = """
GRANT SELECT, INSERT ON reviewer_key_holders, reviewer_keys, reviewer_key_bindings, reviewer_key_revocations,
    verdict_signatures, verdict_envelopes TO exhibit_app;
"""

# A signed verdict cannot be kept in the schema of before: the way back stops there, by the constraint.
DROP = """
DROP TRIGGER verdicts_signed ON verdicts;
DROP INDEX ix_ledger_entries_reviewer_key_bound;
ALTER TABLE verdicts DROP CONSTRAINT ck_verdicts_signature_mode_word;
ALTER TABLE verdicts ADD CONSTRAINT ck_verdicts_signature_mode_word CHECK (signature_mode IN ('none'));
DROP TABLE verdict_envelopes, verdict_signatures, reviewer_key_revocations, reviewer_key_bindings, reviewer_keys,
    reviewer_key_holders;
DROP FUNCTION exhibit_guard_key_binding(), exhibit_guard_key_revocation(), exhibit_guard_verdict_signature(),
    exhibit_verdict_is_signed();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    for table in NEVER_EDITED:
        op.execute(FIX.format(table=table))
    for table in KEY_TABLES:
        op.execute(NEED_ENTRY.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DROP)
