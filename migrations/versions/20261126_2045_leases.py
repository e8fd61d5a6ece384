"""Assignments and priorities; since when an item waits and a lease is held; no lease of another is overwritten."""

from alembic import op

revision = "r76_leases"
down_revision = "r42_stop_list"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE evidence
    ADD COLUMN priority smallint NOT NULL DEFAULT 3
        CONSTRAINT ck_evidence_priority_known CHECK (priority BETWEEN 1 AND 4),
    ADD COLUMN assigned_to uuid CONSTRAINT fk_evidence_assigned_to_accounts REFERENCES accounts (id),
    ADD COLUMN lease_taken_at timestamptz,
    ADD COLUMN state_since timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT ck_evidence_leased_as_assigned
        CHECK (assigned_to IS NULL OR lease_holder IS NULL OR lease_holder = assigned_to);
"""

# Who holds a lease now is taken to have it since now; what waits, since the last act on it, or since it came.
FILL = """
UPDATE evidence SET lease_taken_at = now() WHERE lease_holder IS NOT NULL;
UPDATE evidence e SET state_since = coalesce(
    (SELECT max(l.recorded_at) FROM ledger_entries l WHERE l.stream_id = e.id AND l.type IN ('evidence.preserved',
        'evidence.verification_opened', 'evidence.submitted', 'evidence.withdrawn', 'evidence.changes_requested',
        'evidence.concurred', 'evidence.dissented', 'evidence.adjudicated', 'evidence.signed_off', 'evidence.returned',
        'evidence.reopened')),
    e.received_at, e.registered_at);
"""

INDEX = """
CREATE INDEX ix_evidence_queue ON evidence (case_id, priority, state_since, id)
    WHERE state IN ('preserved', 'in_verification', 'awaiting_peer_review', 'disputed', 'awaiting_sign_off');
"""

# The times are the database's own, also where a release writes that does not know them yet.
GUARDS = """
CREATE FUNCTION exhibit_guard_lease() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.state IS DISTINCT FROM OLD.state THEN
        NEW.state_since := clock_timestamp();
    END IF;
    IF NEW.lease_holder IS NULL THEN
        NEW.lease_taken_at := NULL;
    ELSIF NEW.lease_holder IS DISTINCT FROM OLD.lease_holder THEN
        IF OLD.lease_expires_at > clock_timestamp() THEN
            RAISE EXCEPTION 'another person holds the lease of item % until %', OLD.id, OLD.lease_expires_at
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_lease_held';
        END IF;
        IF NEW.lease_taken_at IS NOT DISTINCT FROM OLD.lease_taken_at THEN
            NEW.lease_taken_at := clock_timestamp();
        END IF;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_reviewed_lease() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF EXISTS (SELECT FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.lease_holder <> NEW.reviewer_id
        AND e.lease_expires_at > clock_timestamp())
    THEN
        RAISE EXCEPTION 'another person holds the lease of item %', NEW.evidence_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_lease_held';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER evidence_lease_held BEFORE UPDATE ON evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_lease();
CREATE TRIGGER reviews_leased BEFORE INSERT ON reviews
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_reviewed_lease();
CREATE CONSTRAINT TRIGGER evidence_assignment_needs_entry AFTER UPDATE OF priority, assigned_to ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
"""

DOWN = """
DROP TRIGGER evidence_assignment_needs_entry ON evidence;
DROP TRIGGER reviews_leased ON reviews;
DROP TRIGGER evidence_lease_held ON evidence;
DROP FUNCTION exhibit_guard_reviewed_lease(), exhibit_guard_lease();
DROP INDEX ix_evidence_queue;
ALTER TABLE evidence DROP CONSTRAINT ck_evidence_leased_as_assigned,
    DROP COLUMN priority, DROP COLUMN assigned_to, DROP COLUMN lease_taken_at, DROP COLUMN state_since;
"""


def upgrade() -> None:
    for script in (COLUMNS, FILL, INDEX, GUARDS):
        op.execute(script)


def downgrade() -> None:
    op.execute(DOWN)
