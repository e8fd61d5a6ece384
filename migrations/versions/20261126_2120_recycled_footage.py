"""Answers to what an appearance of the same pictures before the event means."""

from alembic import op

revision = "r79_recycled"
down_revision = "r71_xmp_and_iptc"
branch_labels = None
depends_on = None

ERASABLE = {"recycled_answers": ("reason",)}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""

UP = """
CREATE TABLE recycled_answers (
    finding_id uuid NOT NULL CONSTRAINT fk_recycled_answers_finding_id_findings REFERENCES findings (id),
    match_id uuid NOT NULL CONSTRAINT fk_recycled_answers_match_id_matches REFERENCES matches (id),
    evidence_id uuid NOT NULL CONSTRAINT fk_recycled_answers_evidence_id_evidence REFERENCES evidence (id),
    answer text NOT NULL CONSTRAINT ck_recycled_answers_answer_word
        CHECK (answer IN ('recycled', 'not_recycled', 'date_wrong')),
    reason text,
    earliest_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT pk_recycled_answers PRIMARY KEY (finding_id, match_id),
    CONSTRAINT ck_recycled_answers_reason_given CHECK (answer <> 'not_recycled' OR reason IS NOT NULL)
);
CREATE INDEX ix_recycled_answers_evidence_id ON recycled_answers (evidence_id, match_id);

CREATE FUNCTION exhibit_guard_recycled_answer() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.findings f JOIN public.matches m ON NEW.evidence_id IN (m.first_id, m.second_id)
        WHERE f.id = NEW.finding_id AND f.evidence_id = NEW.evidence_id AND f.dimension = 'provenance'
            AND m.id = NEW.match_id AND m.other_case_id IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an earlier appearance is answered by a provenance finding, of a match within the item''s case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_recycled_answer_fits';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER recycled_answers_guarded BEFORE INSERT ON recycled_answers
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_recycled_answer();
CREATE TRIGGER recycled_answers_fixed BEFORE UPDATE OR DELETE ON recycled_answers
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure('reason');
CREATE TRIGGER recycled_answers_refuse_truncate BEFORE TRUNCATE ON recycled_answers
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER recycled_answers_need_entry AFTER INSERT ON recycled_answers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER recycled_answers_erasure_needs_entry_evidence_id AFTER UPDATE OF erased ON recycled_answers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('evidence_id');
GRANT SELECT, INSERT ON recycled_answers TO exhibit_app;
GRANT UPDATE (reason, erased) ON recycled_answers TO exhibit_app;
"""
DOWN = """
DROP TABLE recycled_answers;
DROP FUNCTION exhibit_guard_recycled_answer();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
