"""The vault's key can be changed: which key wraps each record's own, and which one seals from now on.

A change of the key wraps the keys of the records anew; their ciphertexts stay as they were recorded. Only the
database's owner changes a row, and only with the entry that says so.
"""

from alembic import op

revision = "r118b_vault_keys"
down_revision = "r116b_approvals"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE vault_keys (
    number integer NOT NULL CONSTRAINT pk_vault_keys PRIMARY KEY
        CONSTRAINT ck_vault_keys_number_counts CHECK (number > 0),
    key_id text NOT NULL,
    since timestamptz NOT NULL
);
COMMENT ON TABLE vault_keys IS 'Changes of the vault''s key: the last one seals. Empty: the first one still does.';
CREATE TRIGGER vault_keys_fixed BEFORE UPDATE OR DELETE ON vault_keys
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER vault_keys_refuse_truncate BEFORE TRUNCATE ON vault_keys
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER vault_keys_need_entry AFTER INSERT ON vault_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
GRANT SELECT ON vault_keys TO exhibit_app;

ALTER TABLE vault_secrets ADD COLUMN wrapped_by text;
COMMENT ON COLUMN vault_secrets.wrapped_by IS 'The key that wraps this record''s own; null: the one that sealed it.';
GRANT SELECT (wrapped_by) ON vault_secrets TO exhibit_app;

CREATE FUNCTION exhibit_guard_sealing_key() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.key_id <> (SELECT k.key_id FROM public.vault_keys k ORDER BY k.number DESC LIMIT 1) THEN
        RAISE EXCEPTION 'the vault''s key was changed: this one seals no more'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_vault_key_changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER vault_identities_sealing_key BEFORE INSERT ON vault_identities
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_sealing_key();

CREATE FUNCTION exhibit_guard_rewrapping() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.identity_id <> OLD.identity_id OR NEW.ciphertext <> OLD.ciphertext
        OR NEW.wrapped_by IS DISTINCT FROM (SELECT k.key_id FROM public.vault_keys k ORDER BY k.number DESC LIMIT 1)
    THEN
        RAISE EXCEPTION 'a sealed record changes by being wrapped under the key in force, and in no other way'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_rewrapping';
    END IF;
    RETURN NEW;
END $$;
DROP TRIGGER vault_secrets_fixed ON vault_secrets;
CREATE TRIGGER vault_secrets_fixed BEFORE UPDATE ON vault_secrets
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_rewrapping();
CREATE CONSTRAINT TRIGGER vault_secrets_rewrapping_needs_entry AFTER UPDATE ON vault_secrets
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();

DROP FUNCTION exhibit_open_identity(uuid);
CREATE FUNCTION exhibit_open_identity(opening uuid)
RETURNS TABLE (wrapped_key bytea, ciphertext bytea, wrapped_by text)
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
    RETURN QUERY SELECT s.wrapped_key, s.ciphertext, s.wrapped_by FROM public.vault_secrets s
        WHERE s.identity_id = opened;
END $$;
REVOKE ALL ON FUNCTION exhibit_open_identity(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION exhibit_open_identity(uuid) TO exhibit_app;
"""

# What was wrapped anew could be opened by nobody in the schema of before: the way back stops here, by the check.
DOWN = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM public.vault_secrets WHERE wrapped_by IS NOT NULL) THEN
        RAISE EXCEPTION 'keys were wrapped anew: there is no way back to a schema that does not know by which key';
    END IF;
END $$;
DROP FUNCTION exhibit_open_identity(uuid);
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
DROP TRIGGER vault_secrets_rewrapping_needs_entry ON vault_secrets;
DROP TRIGGER vault_secrets_fixed ON vault_secrets;
CREATE TRIGGER vault_secrets_fixed BEFORE UPDATE ON vault_secrets
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
DROP FUNCTION exhibit_guard_rewrapping();
DROP TRIGGER vault_identities_sealing_key ON vault_identities;
DROP FUNCTION exhibit_guard_sealing_key();
ALTER TABLE vault_secrets DROP COLUMN wrapped_by;
DROP TABLE vault_keys;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
