"""Labels come before every read of content, by whatever path: the database asks it of each viewing."""

from alembic import op

revision = "r101_labels_first"
down_revision = "r90_first_round_blind"
branch_labels = None
depends_on = None

# Who brought the item has seen it.
GUARD = """
CREATE FUNCTION exhibit_guard_view() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.evidence e WHERE e.id = NEW.evidence_id
        AND (e.labels IS NOT NULL OR NEW.account_id IN (e.registered_by, e.received_by))) THEN
        RAISE EXCEPTION 'labels come before viewing, for all but who brought the item'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_labels_missing';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER evidence_views_guarded BEFORE INSERT OR UPDATE ON evidence_views
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_view();
"""


def upgrade() -> None:
    op.execute(GUARD)


def downgrade() -> None:
    op.execute("DROP TRIGGER evidence_views_guarded ON evidence_views; DROP FUNCTION exhibit_guard_view();")
