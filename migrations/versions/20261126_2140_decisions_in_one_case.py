"""A decision about a match is about its two items, and of one case: what is decided stands in the record of both."""

from alembic import op

revision = "r72_decisions_in_one_case"
down_revision = "r79_notices"
branch_labels = None
depends_on = None

UP = """
CREATE FUNCTION exhibit_guard_relation() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.matches m
        WHERE m.id = NEW.match_id AND m.other_case_id IS NULL
            AND NEW.evidence_id IN (m.first_id, m.second_id) AND NEW.other_id IN (m.first_id, m.second_id)
            AND NEW.evidence_id <> NEW.other_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a decision is about the two items of a match within one case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_relation_of_one_case';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER relations_guarded BEFORE INSERT ON relations
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_relation();
"""
DOWN = """
DROP TRIGGER relations_guarded ON relations;
DROP FUNCTION exhibit_guard_relation();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
