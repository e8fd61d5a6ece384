"""What each person saw of each item in a day, written with the entry of the viewing."""

from alembic import op

revision = "r77_exposure"
down_revision = "r76_leases"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE exposures (
    account_id uuid NOT NULL CONSTRAINT fk_exposures_account_id_accounts REFERENCES accounts (id),
    day date NOT NULL,
    evidence_id uuid NOT NULL CONSTRAINT fk_exposures_evidence_id_evidence REFERENCES evidence (id),
    case_id uuid NOT NULL CONSTRAINT fk_exposures_case_id_cases REFERENCES cases (id),
    labels text[] NOT NULL CONSTRAINT ck_exposures_labels_words CHECK (labels <> '{}' AND labels <@ ARRAY['unlabelled',
        'graphic_none', 'graphic_mild', 'graphic_severe', 'child', 'sexual_violence', 'distressing_audio']::text[]),
    seconds integer NOT NULL CONSTRAINT ck_exposures_seconds_bounded CHECK (seconds BETWEEN 1 AND 7200),
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    CONSTRAINT pk_exposures PRIMARY KEY (account_id, day, evidence_id),
    CONSTRAINT ck_exposures_in_order CHECK (first_at <= last_at)
);
CREATE INDEX ix_exposures_case_id_account_id_day ON exposures (case_id, account_id, day);
CREATE INDEX ix_exposures_account_id_day_case_id ON exposures (account_id, day, case_id);

-- What was seen stays counted, and counts no less: a cap is not lowered by what lies below it.
CREATE FUNCTION exhibit_guard_exposure() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.account_id, NEW.day, NEW.evidence_id, NEW.case_id, NEW.first_at)
            IS DISTINCT FROM (OLD.account_id, OLD.day, OLD.evidence_id, OLD.case_id, OLD.first_at)
        OR NEW.seconds < OLD.seconds
    THEN
        RAISE EXCEPTION 'what a person saw is not taken back'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_exposure_rises';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER exposures_rise BEFORE UPDATE ON exposures
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_exposure();
CREATE TRIGGER exposures_kept BEFORE DELETE ON exposures
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER exposures_not_truncated BEFORE TRUNCATE ON exposures
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER exposures_need_entry AFTER INSERT OR UPDATE ON exposures
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
GRANT SELECT, INSERT, UPDATE ON exposures TO exhibit_app;
"""

DOWN = """
DROP TABLE exposures;
DROP FUNCTION exhibit_guard_exposure();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
