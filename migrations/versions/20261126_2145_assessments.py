"""Assessments of leads; no file for a lead that is unsafe to collect; the words for declining one."""

from alembic import op

revision = "r85_assessments"
down_revision = "r74_parts"
branch_labels = None
depends_on = None

ERASABLE = {"lead_assessments": ("reasons",)}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""

UP = """
CREATE TABLE lead_assessments (
    id uuid NOT NULL CONSTRAINT pk_lead_assessments PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_lead_assessments_evidence_id_evidence REFERENCES evidence (id),
    number integer NOT NULL,
    supersedes uuid CONSTRAINT fk_lead_assessments_supersedes_lead_assessments REFERENCES lead_assessments (id),
    relevance text NOT NULL CONSTRAINT ck_lead_assessments_relevance_word
        CHECK (relevance IN ('relevant', 'possibly_relevant', 'not_relevant', 'unknown')),
    reliability text NOT NULL CONSTRAINT ck_lead_assessments_reliability_word
        CHECK (reliability IN ('credible', 'doubtful', 'not_credible', 'unknown')),
    removal_risk text NOT NULL CONSTRAINT ck_lead_assessments_removal_risk_word
        CHECK (removal_risk IN ('imminent', 'likely', 'unlikely', 'removed', 'unknown')),
    collection_safety text NOT NULL CONSTRAINT ck_lead_assessments_collection_safety_word
        CHECK (collection_safety IN ('safe', 'safe_with_precautions', 'unsafe', 'unknown')),
    obligations text NOT NULL CONSTRAINT ck_lead_assessments_obligations_word
        CHECK (obligations IN ('none', 'can_be_met', 'cannot_be_met', 'unknown')),
    reasons jsonb CONSTRAINT ck_lead_assessments_reasons_by_question
        CHECK (jsonb_typeof(reasons) IN ('object', 'null')),
    assessed_by uuid NOT NULL CONSTRAINT fk_lead_assessments_assessed_by_accounts REFERENCES accounts (id),
    assessed_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_lead_assessments_number UNIQUE (evidence_id, number),
    CONSTRAINT ck_lead_assessments_number_counts CHECK (number > 0 AND (number = 1) = (supersedes IS NULL))
);

CREATE FUNCTION exhibit_guard_assessment() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    -- Under the item's lock, as its file is received: one of the two comes first.
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.state = 'lead' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'leads alone are assessed, before their file comes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_assessed_as_lead';
    END IF;
    SELECT a.id, a.number, a.collection_safety INTO last FROM public.lead_assessments a
        WHERE a.evidence_id = NEW.evidence_id ORDER BY a.number DESC LIMIT 1;
    IF NEW.supersedes IS DISTINCT FROM last.id OR NEW.number <> coalesce(last.number, 0) + 1 THEN
        RAISE EXCEPTION 'an assessment supersedes the one in force'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_supersedes_assessment_in_force';
    END IF;
    IF 'unsafe' IN (NEW.collection_safety, last.collection_safety)
        AND coalesce(NEW.reasons ->> 'collection_safety', '') = ''
    THEN
        RAISE EXCEPTION 'whoever calls collecting unsafe, or safe again, says why'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_safety_has_reason';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_lead() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.state = 'collected' AND (SELECT a.collection_safety FROM public.lead_assessments a
        WHERE a.evidence_id = NEW.id ORDER BY a.number DESC LIMIT 1) = 'unsafe'
    THEN
        RAISE EXCEPTION 'collecting this lead was assessed as unsafe'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_collecting_unsafe';
    END IF;
    IF NEW.state = 'declined' AND coalesce(NEW.reason_code, '') NOT IN ('not_relevant', 'not_credible',
        'unsafe_to_collect', 'obligations_cannot_be_met', 'out_of_scope', 'duplicate', 'not_reachable', 'other')
    THEN
        RAISE EXCEPTION 'a lead is declined for one of the known reasons'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_decline_reason_known';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER lead_assessments_guarded BEFORE INSERT ON lead_assessments
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_assessment();
CREATE TRIGGER lead_assessments_fixed BEFORE UPDATE OR DELETE ON lead_assessments
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure('reasons');
CREATE TRIGGER lead_assessments_refuse_truncate BEFORE TRUNCATE ON lead_assessments
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER lead_assessments_need_entry AFTER INSERT ON lead_assessments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER lead_assessments_erasure_needs_entry_evidence_id AFTER UPDATE OF erased ON lead_assessments
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('evidence_id');
CREATE TRIGGER evidence_lead_guarded BEFORE UPDATE OF state ON evidence
    FOR EACH ROW WHEN (OLD.state = 'lead') EXECUTE FUNCTION exhibit_guard_lead();
GRANT SELECT, INSERT ON lead_assessments TO exhibit_app;
GRANT UPDATE (reasons, erased) ON lead_assessments TO exhibit_app;
"""
DOWN = """
DROP TRIGGER evidence_lead_guarded ON evidence;
DROP TABLE lead_assessments;
DROP FUNCTION exhibit_guard_lead(), exhibit_guard_assessment();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
