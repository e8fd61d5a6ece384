"""The keys of a log end with it; and the entry that names where a stream ended in the log before is never erased."""

from alembic import op

revision = "r29_key_periods"
down_revision = "r30_witness_quorums"
branch_labels = None
depends_on = None

RETIRE = """
UPDATE ledger_keys k SET last_size = greatest(
    k.first_size - 1, (SELECT coalesce(max(c.size), 0) FROM ledger_checkpoints c WHERE c.log_id = k.log_id))
WHERE k.last_size IS NULL AND k.log_id < (SELECT max(id) FROM ledger_logs);
"""

BEGIN_LOG = """
CREATE OR REPLACE FUNCTION exhibit_begin_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.id > 1 AND NOT EXISTS (
        SELECT FROM public.ledger_logs o JOIN public.ledger_halts h ON h.log_id = o.id
        WHERE o.id = NEW.id - 1 AND o.system_stream = NEW.system_stream
    ) THEN
        RAISE EXCEPTION 'log % begins only after log % was halted, with the same system stream', NEW.id, NEW.id - 1
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_begin_log';
    END IF;{retired}
    RETURN NULL;
END $$;
"""

RETIRED = """
    IF EXISTS (SELECT FROM public.ledger_keys k WHERE k.log_id < NEW.id AND k.last_size IS NULL) THEN
        RAISE EXCEPTION 'log % begins only after the keys of log % were retired', NEW.id, NEW.id - 1
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_begin_log';
    END IF;"""

TRIGGERS = """
CREATE TRIGGER only_current_log AFTER INSERT ON ledger_keys REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_only_current_log();
"""

BODY_ERASED = """
CREATE OR REPLACE FUNCTION exhibit_body_erased() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT public.exhibit_has_erasing_entry(OLD.commitment, NULL)
        OR EXISTS (SELECT FROM public.ledger_bodies b WHERE b.commitment = OLD.commitment)
        OR EXISTS (SELECT FROM public.ledger_disclosures d WHERE d.commitment = OLD.commitment)
    THEN
        RAISE EXCEPTION 'a body goes only with the entry that erases it, and with all that opens its fields'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;{continues}
    -- The acts by which others are judged stay readable: what was registered, linked, exported, erased.
    IF EXISTS (
        SELECT FROM public.ledger_entries e
        WHERE e.commitment = OLD.commitment AND (e.type LIKE '%erased' OR e.type LIKE 'entry.%'
            OR e.type IN ('evidence.registered', 'incident.registered', 'incident.evidence_linked', 'export.created')))
    THEN
        RAISE EXCEPTION 'the body of this kind of entry is never erased'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.erasure_requests r WHERE r.commitment = OLD.commitment AND r.decision = 'approve')
    THEN
        RAISE EXCEPTION 'a body goes only when a second person has approved it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;
    RETURN NULL;
END $$;
"""

# Entries of the log before that never got a leaf are proven by nothing else.
CONTINUES = """
    IF jsonb_exists(convert_from(OLD.body, 'UTF8')::jsonb -> 'data', 'continues') THEN
        RAISE EXCEPTION 'the entry that says where its stream ended in the log before is never erased'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;"""


def upgrade() -> None:
    op.execute(RETIRE)
    op.execute(BEGIN_LOG.replace("{retired}", RETIRED))
    op.execute(TRIGGERS)
    op.execute(BODY_ERASED.replace("{continues}", CONTINUES))


def downgrade() -> None:
    """What was retired stays so: it is true."""
    op.execute("DROP TRIGGER only_current_log ON ledger_keys;")
    op.execute(BEGIN_LOG.replace("{retired}", ""))
    op.execute(BODY_ERASED.replace("{continues}", ""))
