"""Matches of items of different cases, the notices about them, and by which rule each item was compared last."""

from alembic import op

revision = "r39_matches"
down_revision = "r41_groups"
branch_labels = None
depends_on = None

ACROSS = """
ALTER TABLE matches ADD COLUMN other_case_id uuid
    CONSTRAINT fk_matches_other_case_id_cases REFERENCES cases (id);
ALTER TABLE matches ADD CONSTRAINT ck_matches_other_is_another CHECK (other_case_id <> case_id);

CREATE FUNCTION exhibit_guard_match() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.evidence WHERE id = NEW.first_id AND case_id = NEW.case_id)
        OR NOT EXISTS (SELECT FROM public.evidence
                        WHERE id = NEW.second_id AND case_id = coalesce(NEW.other_case_id, NEW.case_id))
    THEN
        RAISE EXCEPTION 'match % does not name the cases of its items', NEW.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'matches_name_their_cases';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER matches_name_their_cases AFTER INSERT ON matches
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_match();
"""

NOTICES = """
CREATE TABLE match_notices (
    id uuid NOT NULL CONSTRAINT pk_match_notices PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_match_notices_case_id_cases REFERENCES cases (id),
    evidence_id uuid NOT NULL CONSTRAINT fk_match_notices_evidence_id_evidence REFERENCES evidence (id),
    other_case_id uuid NOT NULL CONSTRAINT fk_match_notices_other_case_id_cases REFERENCES cases (id),
    tier text NOT NULL CONSTRAINT ck_match_notices_tier_word CHECK (tier IN ('exact', 'same_picture')),
    found_at timestamptz NOT NULL,
    acknowledged_by uuid CONSTRAINT fk_match_notices_acknowledged_by_accounts REFERENCES accounts (id),
    acknowledged_at timestamptz,
    CONSTRAINT uq_match_notices_evidence_id UNIQUE (evidence_id, other_case_id),
    CONSTRAINT ck_match_notices_of_another CHECK (other_case_id <> case_id),
    CONSTRAINT ck_match_notices_acknowledged CHECK ((acknowledged_by IS NULL) = (acknowledged_at IS NULL))
);
CREATE INDEX ix_match_notices_case_id_found_at ON match_notices (case_id, found_at, id);

CREATE FUNCTION exhibit_guard_match_notice() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.acknowledged_at IS NOT NULL
        OR (NEW.id, NEW.case_id, NEW.evidence_id, NEW.other_case_id, NEW.tier, NEW.found_at)
            IS DISTINCT FROM (OLD.id, OLD.case_id, OLD.evidence_id, OLD.other_case_id, OLD.tier, OLD.found_at)
    THEN
        RAISE EXCEPTION 'notice % is only acknowledged, once', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'match_notices_fixed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER match_notices_fixed BEFORE UPDATE ON match_notices
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_match_notice();
CREATE TRIGGER match_notices_kept BEFORE DELETE ON match_notices
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER match_notices_not_truncated BEFORE TRUNCATE ON match_notices
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER match_notices_need_entry AFTER INSERT OR UPDATE ON match_notices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
GRANT SELECT, INSERT ON match_notices TO exhibit_app;
GRANT UPDATE (acknowledged_by, acknowledged_at) ON match_notices TO exhibit_app;
"""

COMPARISONS = """
CREATE TABLE match_comparisons (
    evidence_id uuid NOT NULL CONSTRAINT fk_match_comparisons_evidence_id_evidence REFERENCES evidence (id),
    across boolean NOT NULL,
    rule text NOT NULL,
    decoding integer NOT NULL,
    left_out integer NOT NULL,
    compared_at timestamptz NOT NULL,
    CONSTRAINT pk_match_comparisons PRIMARY KEY (evidence_id, across),
    CONSTRAINT ck_match_comparisons_left_out_counts CHECK (left_out >= 0)
);
GRANT SELECT, INSERT, UPDATE ON match_comparisons TO exhibit_app;
"""

# The release before knows no matches across cases: it would show them to the members of one.
DOWN = """
DROP TABLE match_comparisons;
DROP TABLE match_notices;
DROP FUNCTION exhibit_guard_match_notice();
DROP TRIGGER matches_name_their_cases ON matches;
DROP FUNCTION exhibit_guard_match();
ALTER TABLE matches DISABLE TRIGGER matches_fixed;
DELETE FROM matches WHERE other_case_id IS NOT NULL;
ALTER TABLE matches ENABLE TRIGGER matches_fixed;
ALTER TABLE matches DROP COLUMN other_case_id;
"""


def upgrade() -> None:
    for script in (ACROSS, NOTICES, COMPARISONS):
        op.execute(script)


def downgrade() -> None:
    op.execute(DOWN)
