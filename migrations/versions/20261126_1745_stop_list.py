"""Frames that occur in many unrelated sources: proposed by the system, left out of matching where a person says so."""

from alembic import op

revision = "r42_stop_list"
down_revision = "r43_similar_searches"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE stop_list (
    id uuid NOT NULL CONSTRAINT pk_stop_list PRIMARY KEY,
    version text NOT NULL,
    value bytea NOT NULL,
    standing text NOT NULL CONSTRAINT ck_stop_list_standing_word
        CHECK (standing IN ('proposed', 'stopped', 'dismissed', 'released')),
    kind text CONSTRAINT ck_stop_list_kind_word CHECK (kind IN
        ('leader', 'colour_bars', 'test_card', 'end_card', 'logo', 'interface', 'even', 'other')),
    sources integer CONSTRAINT ck_stop_list_sources_count CHECK (sources > 0),
    since timestamptz NOT NULL,
    change bigint NOT NULL CONSTRAINT uq_stop_list_change UNIQUE,
    CONSTRAINT uq_stop_list_value UNIQUE (version, value),
    CONSTRAINT ck_stop_list_stopped_has_kind CHECK (kind IS NOT NULL OR standing <> 'stopped')
);
CREATE INDEX ix_stop_list_standing_since_id ON stop_list (standing, since, id);

CREATE TABLE stop_list_progress (
    id integer NOT NULL CONSTRAINT pk_stop_list_progress PRIMARY KEY,
    number bigint NOT NULL,
    CONSTRAINT ck_stop_list_progress_one CHECK (id = 1)
);
INSERT INTO stop_list_progress VALUES (1, 0);
"""

# 1398034512 is 0x53544C50. Changes are numbered under a lock that is held until others see them: so whoever sees a
# number sees all changes up to it, and a process that holds the list of a number need only compare numbers.
GUARDS = """
CREATE FUNCTION exhibit_guard_stop_list() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.standing NOT IN ('proposed', 'stopped') THEN
            RAISE EXCEPTION 'a frame begins proposed or stopped'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_stop_list_move';
        END IF;
    ELSIF (NEW.id, NEW.version, NEW.value) IS DISTINCT FROM (OLD.id, OLD.version, OLD.value) THEN
        RAISE EXCEPTION 'which frame it is does not change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_stop_list_move';
    ELSIF (NEW.standing, NEW.kind, NEW.since) IS NOT DISTINCT FROM (OLD.standing, OLD.kind, OLD.since) THEN
        NEW.change := OLD.change;
        RETURN NEW;
    ELSIF (OLD.standing || ' ' || NEW.standing) NOT IN ('proposed stopped', 'proposed dismissed', 'dismissed stopped',
                                                        'stopped released', 'released stopped') THEN
        RAISE EXCEPTION 'no way leads from % to %', OLD.standing, NEW.standing
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_stop_list_move';
    END IF;
    PERFORM pg_advisory_xact_lock(1398034512);
    SELECT coalesce(max(change), 0) + 1 INTO NEW.change FROM public.stop_list;
    RETURN NEW;
END $$;
CREATE TRIGGER stop_list_guarded BEFORE INSERT OR UPDATE ON stop_list
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_stop_list();
CREATE TRIGGER stop_list_kept BEFORE DELETE ON stop_list FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER stop_list_not_truncated BEFORE TRUNCATE ON stop_list
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER stop_list_begins_with_entry AFTER INSERT ON stop_list
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
CREATE CONSTRAINT TRIGGER stop_list_needs_entry AFTER UPDATE ON stop_list
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.change <> OLD.change)
    EXECUTE FUNCTION exhibit_require_entry();
GRANT SELECT, INSERT, UPDATE ON stop_list TO exhibit_app;
GRANT SELECT, UPDATE ON stop_list_progress TO exhibit_app;
"""

DOWNGRADE = """
DROP TABLE stop_list;
DROP TABLE stop_list_progress;
DROP FUNCTION exhibit_guard_stop_list();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(GUARDS)


def downgrade() -> None:
    op.execute(DOWNGRADE)
