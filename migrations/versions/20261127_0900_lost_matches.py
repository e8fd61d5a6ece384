"""A match that is no longer found says so in a row, and in entries."""

from alembic import op

revision = "r120_lost_matches"
down_revision = "r122_acts_of_more"
branch_labels = None
depends_on = None

GUARD = """
CREATE OR REPLACE FUNCTION exhibit_guard_match_tier() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former record;
BEGIN
    SELECT m.first_id, m.second_id, coalesce(t.number, 1) AS number, coalesce(t.tier, m.tier) AS tier, {former}
        INTO former
        FROM public.matches m LEFT JOIN LATERAL (
            SELECT * FROM public.match_tiers WHERE match_id = m.id ORDER BY number DESC LIMIT 1
        ) t ON true
        WHERE m.id = NEW.match_id AND m.tier <> 'exact'{of_whom};
    IF NOT FOUND OR (former.first_id, former.second_id, former.number + 1)
            IS DISTINCT FROM (NEW.first_id, NEW.second_id, NEW.number)
        OR {same}
        OR NOT EXISTS (SELECT FROM public.blob_matches WHERE key = NEW.blob_match AND tier = NEW.tier)
    THEN
        RAISE EXCEPTION 'tier % of match % does not follow the one before', NEW.number, NEW.match_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'match_tiers_follow';
    END IF;
    RETURN NEW;
END $$;
"""

# What is lost keeps its tier and its explanation, and was not lost before; what is found has another tier, or was lost.
# Between cases only firm matches are kept.
FORMER = "coalesce(t.blob_match, m.blob_match) AS blob_match, t.lost_by, m.other_case_id"
FOLLOWS = """(CASE WHEN NEW.lost_by IS NOT NULL
            THEN former.lost_by IS NOT NULL
                OR (former.tier, former.blob_match) IS DISTINCT FROM (NEW.tier, NEW.blob_match)
            ELSE (former.lost_by IS NULL AND former.tier = NEW.tier)
                OR (former.other_case_id IS NOT NULL AND NEW.tier <> 'same_picture') END)"""


def upgrade() -> None:
    op.execute(
        "ALTER TABLE match_tiers ADD COLUMN lost_by text CONSTRAINT ck_match_tiers_lost_by_word "
        "CHECK (lost_by IN ('rule', 'decoding', 'stop_list'))"
    )
    op.execute(GUARD.format(former=FORMER, of_whom="", same=FOLLOWS))


def downgrade() -> None:
    op.execute(
        GUARD.format(former="NULL AS nothing", of_whom=" AND m.other_case_id IS NULL", same="former.tier = NEW.tier")
    )
    op.execute("ALTER TABLE match_tiers DROP COLUMN lost_by")
