"""Only the first round is blind: whoever opens a reopened item was shown its earlier rounds. docs/decisions/0041."""

from alembic import op

revision = "r90_first_round_blind"
down_revision = "r85_steps"
branch_labels = None
depends_on = None

# Rounds that were reopened blind and wait still are reviewed in the open from now on; the second finding or verdict
# of one stays on record.
OPENED = """
ALTER TABLE evidence DISABLE TRIGGER USER;
UPDATE evidence SET blind = NULL, blind_since = NULL WHERE blind = 'pending' AND round > 1;
ALTER TABLE evidence ENABLE TRIGGER USER;
"""

# The beginning is never later than the database's own clock says: what is asked "since then" would not be asked.
GUARD = """
CREATE OR REPLACE FUNCTION exhibit_guard_blind() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_asked boolean;
    is_due boolean := true;
BEGIN
    IF TG_OP = 'INSERT' THEN
        is_due := NEW.blind IS NULL;
    ELSIF NEW.round <> OLD.round THEN
        SELECT coalesce((p.document ->> 'blind_double_verification')::boolean, false) INTO is_asked
            FROM public.case_policies p WHERE p.case_id = NEW.case_id ORDER BY p.version DESC LIMIT 1;
        is_due := {is_due};
        {since}
    ELSIF (NEW.blind, NEW.blind_since) IS DISTINCT FROM (OLD.blind, OLD.blind_since) THEN
        is_due := OLD.blind = 'pending' AND NEW.blind = 'complete' AND NEW.blind_since = OLD.blind_since
            AND EXISTS (SELECT FROM public.second_verdicts s WHERE s.evidence_id = NEW.id AND s.round = NEW.round);
    END IF;
    IF is_due IS NOT TRUE THEN
        RAISE EXCEPTION 'a round is blind from its beginning, by the policy, until the second verdict is there'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_blind_round';
    END IF;
    RETURN NEW;
END $$;
"""
EACH_ROUND = "NEW.blind IS NOT DISTINCT FROM CASE WHEN is_asked THEN 'pending' END"
FIRST_ROUND = (
    "OLD.blind IS DISTINCT FROM 'pending' AND NEW.blind IS NOT DISTINCT FROM\n"
    "            CASE WHEN is_asked AND OLD.round = 0 AND NEW.round = 1 THEN 'pending' END"
)
SINCE = (
    "NEW.blind_since := CASE WHEN NEW.blind_since > clock_timestamp() THEN clock_timestamp() ELSE NEW.blind_since END;"
)

FIRST = """
CREATE FUNCTION exhibit_guard_first_verdict() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.evidence e
        CROSS JOIN LATERAL (SELECT p.document FROM public.case_policies p
            WHERE p.case_id = e.case_id ORDER BY p.version DESC LIMIT 1) AS policy
        CROSS JOIN LATERAL jsonb_array_elements_text(policy.document -> 'required_dimensions') AS required (dimension)
        WHERE e.id = NEW.evidence_id AND e.blind = 'pending' AND NOT EXISTS (
            SELECT FROM public.findings f WHERE f.evidence_id = e.id AND f.round = NEW.round AND f.place = 'first'
                AND f.author_id = NEW.author_id AND f.dimension = required.dimension
                AND f.id = ANY (NEW.finding_ids))
    ) THEN
        RAISE EXCEPTION 'the first verdict of a blind round rests on findings of one''s own in every required dimension'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_first_complete';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER verdicts_guarded_blind BEFORE INSERT ON verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_first_verdict();
"""


def upgrade() -> None:
    op.execute(OPENED)
    op.execute(GUARD.format(is_due=FIRST_ROUND, since=SINCE))
    op.execute(FIRST)


def downgrade() -> None:
    op.execute("DROP TRIGGER verdicts_guarded_blind ON verdicts; DROP FUNCTION exhibit_guard_first_verdict();")
    op.execute(GUARD.format(is_due=EACH_ROUND, since=""))
