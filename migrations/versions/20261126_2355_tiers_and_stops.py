"""A match's later tiers, and up to which change of the stop list each blob was compared."""

from alembic import op

revision = "r108_tiers"
down_revision = "r101_labels_first"
branch_labels = None
depends_on = None

TIERS = """
CREATE TABLE match_tiers (
    match_id uuid NOT NULL CONSTRAINT fk_match_tiers_match_id_matches REFERENCES matches (id),
    number integer NOT NULL,
    first_id uuid NOT NULL CONSTRAINT fk_match_tiers_first_id_evidence REFERENCES evidence (id),
    second_id uuid NOT NULL CONSTRAINT fk_match_tiers_second_id_evidence REFERENCES evidence (id),
    tier text NOT NULL CONSTRAINT ck_match_tiers_tier_word CHECK (tier IN ('same_picture', 'likely')),
    blob_match bytea NOT NULL CONSTRAINT fk_match_tiers_blob_match_blob_matches REFERENCES blob_matches (key),
    found_at timestamptz NOT NULL,
    CONSTRAINT pk_match_tiers PRIMARY KEY (match_id, number)
);

CREATE FUNCTION exhibit_guard_match_tier() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    former record;
BEGIN
    SELECT m.first_id, m.second_id, coalesce(t.number, 1) AS number, coalesce(t.tier, m.tier) AS tier INTO former
        FROM public.matches m LEFT JOIN LATERAL (
            SELECT number, tier FROM public.match_tiers WHERE match_id = m.id ORDER BY number DESC LIMIT 1
        ) t ON true
        WHERE m.id = NEW.match_id AND m.tier <> 'exact' AND m.other_case_id IS NULL;
    IF NOT FOUND OR (former.first_id, former.second_id, former.number + 1)
            IS DISTINCT FROM (NEW.first_id, NEW.second_id, NEW.number)
        OR former.tier = NEW.tier
        OR NOT EXISTS (SELECT FROM public.blob_matches WHERE key = NEW.blob_match AND tier = NEW.tier)
    THEN
        RAISE EXCEPTION 'tier % of match % does not follow the one before', NEW.number, NEW.match_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'match_tiers_follow';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER match_tiers_follow BEFORE INSERT ON match_tiers
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_match_tier();
CREATE TRIGGER match_tiers_fixed BEFORE UPDATE OR DELETE ON match_tiers
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER match_tiers_not_truncated BEFORE TRUNCATE ON match_tiers
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER match_tiers_need_entry_first AFTER INSERT ON match_tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('first_id');
CREATE CONSTRAINT TRIGGER match_tiers_need_entry_second AFTER INSERT ON match_tiers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('second_id');
GRANT SELECT, INSERT ON match_tiers TO exhibit_app;
"""

# What was stopped or freed before this was never passed on: all of it is, once.
STOPS = """
CREATE TABLE blob_stops (
    blob_sha256 bytea NOT NULL CONSTRAINT pk_blob_stops PRIMARY KEY
        CONSTRAINT fk_blob_stops_blob_sha256_blobs REFERENCES blobs (sha256),
    change bigint NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON blob_stops TO exhibit_app;
ALTER TABLE match_comparisons ADD COLUMN stops bigint NOT NULL DEFAULT 0;
ALTER TABLE stop_list_progress ADD COLUMN passed_on bigint NOT NULL DEFAULT 0;
"""

DOWN = """
ALTER TABLE stop_list_progress DROP COLUMN passed_on;
ALTER TABLE match_comparisons DROP COLUMN stops;
DROP TABLE blob_stops;
DROP TABLE match_tiers;
DROP FUNCTION exhibit_guard_match_tier();
"""


def upgrade() -> None:
    for script in (TIERS, STOPS):
        op.execute(script)


def downgrade() -> None:
    op.execute(DOWN)
