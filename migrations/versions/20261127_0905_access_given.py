"""Whose access another gave lately is nobody's second person: an administrator who sets a member's password, or makes a
token for an account that is in use, would else be both persons of an act."""

from alembic import op

revision = "r121b_access_given"
down_revision = "r121_own_entries"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE accounts ADD COLUMN access_given_at timestamptz;

-- A first token is how an account begins; a later one that another made is a way into somebody else's.
CREATE FUNCTION exhibit_note_given_token() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.tokens maker WHERE maker.id = NEW.made_by AND maker.account_id <> NEW.account_id)
        AND EXISTS (SELECT FROM public.tokens held WHERE held.account_id = NEW.account_id AND held.id <> NEW.id)
    THEN
        UPDATE public.accounts a SET access_given_at = clock_timestamp() WHERE a.id = NEW.account_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_guard_second_person() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.accounts a WHERE a.id = NEW.decided_by
        AND a.access_given_at > clock_timestamp() - interval '24 hours';
    IF FOUND THEN
        RAISE EXCEPTION 'an administrator gave access to the account of the second person lately'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_access_given_lately';
    END IF;
    RETURN NEW;
END $$;

-- It is taken back by nobody, and moves on only.
CREATE FUNCTION exhibit_access_stays_given() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.access_given_at := greatest(OLD.access_given_at, least(NEW.access_given_at, clock_timestamp()));
    RETURN NEW;
END $$;

CREATE TRIGGER tokens_note_given AFTER INSERT ON tokens FOR EACH ROW WHEN (NEW.made_by IS NOT NULL)
    EXECUTE FUNCTION exhibit_note_given_token();
CREATE TRIGGER accounts_access_stays_given BEFORE UPDATE ON accounts
    FOR EACH ROW WHEN (NEW.access_given_at IS DISTINCT FROM OLD.access_given_at)
    EXECUTE FUNCTION exhibit_access_stays_given();
"""
GUARD = """
CREATE TRIGGER {table}_second_person BEFORE UPDATE ON {table} FOR EACH ROW
    WHEN (NEW.decision = 'approve' AND OLD.decision IS NULL) EXECUTE FUNCTION exhibit_guard_second_person();
"""
TABLES = ("vault_openings", "exports", "erasure_requests")

DOWN = """
DROP TRIGGER accounts_access_stays_given ON accounts;
DROP TRIGGER tokens_note_given ON tokens;
DROP FUNCTION exhibit_access_stays_given(), exhibit_guard_second_person(), exhibit_note_given_token();
ALTER TABLE accounts DROP COLUMN access_given_at;
"""


def upgrade() -> None:
    op.execute(UP)
    for table in TABLES:
        op.execute(GUARD.format(table=table))


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_second_person ON {table}")
    op.execute(DOWN)
