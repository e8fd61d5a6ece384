"""What two persons, a view, a verdict and a withdrawal rest on, held by the database against raw SQL and wrong clocks:
each act has the entry of that very act by that very person, and no time lies ahead of the database's own."""

from alembic import op

revision = "r121_own_entries"
down_revision = "r123"
branch_labels = None
depends_on = None

# The stream's row is locked until the commit (exhibit_require_entry says why), so this transaction's entries are its
# last ones; a hundred are more than any one act writes in one stream.
FUNCTIONS = """
CREATE FUNCTION exhibit_require_own_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    person uuid;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO person USING NEW;
    PERFORM FROM (
        SELECT e.type, e.actor_id, e.xact FROM public.ledger_entries e
            WHERE e.stream_id = NEW.evidence_id ORDER BY e.log_id DESC, e.seq DESC LIMIT 100
    ) AS last
        JOIN public.case_pseudonyms p ON p.pseudonym = last.actor_id
        WHERE last.xact = pg_current_xact_id() AND last.type = TG_ARGV[1] AND p.account_id = person
            AND p.case_id = (SELECT i.case_id FROM public.evidence i WHERE i.id = NEW.evidence_id);
    IF NOT FOUND THEN
        RAISE EXCEPTION '% on % has no % of its own person', TG_OP, TG_TABLE_NAME, TG_ARGV[1]
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_own_entry', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION exhibit_require_own_entry() IS
    'CREATE CONSTRAINT TRIGGER … EXECUTE FUNCTION exhibit_require_own_entry(''<column of the account>'', ''<type>''): '
    'no commit without that entry in the item''s stream by that account.';

-- What is counted from a time that lies ahead would not end for as long: a clock that was wrong, or a hand.
CREATE FUNCTION exhibit_not_ahead() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_ARGV[0] = 'logged_at' THEN
        NEW.logged_at := least(NEW.logged_at, clock_timestamp());
    ELSIF TG_ARGV[0] = 'decided_at' THEN
        NEW.decided_at := least(NEW.decided_at, clock_timestamp());
    ELSE
        NEW.recorded_at := least(NEW.recorded_at, clock_timestamp());
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_view_is_counted() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.exposures x WHERE x.account_id = NEW.account_id AND x.evidence_id = NEW.evidence_id
        AND x.day >= (clock_timestamp() AT TIME ZONE 'UTC')::date - 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'what is seen counts as exposure'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_view_is_counted';
    END IF;
    RETURN NULL;
END $$;

-- Who asks, and both when it is opened: a role that was taken away meanwhile opens nothing.
CREATE FUNCTION exhibit_guard_opening_persons() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.case_members m JOIN public.accounts a ON a.id = m.account_id AND a.is_active
        WHERE m.case_id = NEW.case_id AND m.account_id = NEW.requested_by
            AND m.role IN ('coordinator', 'researcher', 'custodian');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a coordinator, researcher or custodian of the case asks, and opens'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_requester';
    END IF;
    IF TG_OP = 'UPDATE' THEN
        PERFORM FROM public.case_members m JOIN public.accounts a ON a.id = m.account_id AND a.is_active
            WHERE m.case_id = NEW.case_id AND m.account_id = NEW.decided_by AND m.role IN ('coordinator', 'custodian');
        IF NOT FOUND THEN
            RAISE EXCEPTION 'who approved may not any more'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opening_approver';
        END IF;
    END IF;
    RETURN NEW;
END $$;

-- Of a review of one's own and of another who comes to verify, one waits for the other, as services hold it.
CREATE FUNCTION exhibit_hold_case_of_own_review() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.cases c WHERE c.id = (SELECT e.case_id FROM public.evidence e WHERE e.id = NEW.evidence_id)
        FOR SHARE;
    RETURN NEW;
END $$;
CREATE FUNCTION exhibit_hold_case_of_member() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.cases c WHERE c.id = NEW.case_id FOR NO KEY UPDATE;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER a_reviews_hold_case BEFORE INSERT ON reviews
    FOR EACH ROW EXECUTE FUNCTION exhibit_hold_case_of_own_review();
CREATE TRIGGER a_verdicts_hold_case BEFORE INSERT ON verdicts
    FOR EACH ROW WHEN (NEW.self_reviewed) EXECUTE FUNCTION exhibit_hold_case_of_own_review();
CREATE TRIGGER case_members_hold_case BEFORE INSERT ON case_members
    FOR EACH ROW EXECUTE FUNCTION exhibit_hold_case_of_member();
CREATE TRIGGER evidence_views_not_ahead BEFORE INSERT OR UPDATE ON evidence_views
    FOR EACH ROW EXECUTE FUNCTION exhibit_not_ahead('logged_at');
CREATE TRIGGER export_downloads_not_ahead BEFORE INSERT OR UPDATE ON export_downloads
    FOR EACH ROW EXECUTE FUNCTION exhibit_not_ahead('logged_at');
CREATE TRIGGER vault_openings_not_ahead BEFORE UPDATE OF decided_at ON vault_openings
    FOR EACH ROW EXECUTE FUNCTION exhibit_not_ahead('decided_at');
CREATE TRIGGER consents_not_ahead BEFORE INSERT ON consents
    FOR EACH ROW EXECUTE FUNCTION exhibit_not_ahead('recorded_at');
CREATE TRIGGER vault_openings_persons BEFORE INSERT OR UPDATE OF opened_at ON vault_openings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_opening_persons();
CREATE CONSTRAINT TRIGGER evidence_views_seen_is_counted AFTER INSERT OR UPDATE ON evidence_views
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_view_is_counted();
ALTER TABLE exposures ADD CONSTRAINT ck_exposures_day_of_first CHECK (day = (first_at AT TIME ZONE 'UTC')::date);
"""

OWN_ENTRY = """
CREATE CONSTRAINT TRIGGER {table}_own_entry_{number} AFTER {events} ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW {condition}
    EXECUTE FUNCTION exhibit_require_own_entry('{person}', '{entry}');
"""
OF_VIEWS = (("act", "viewed", "viewed"), ("act", "downloaded", "downloaded"))
OF_REVIEWS = (
    ("kind", "request_changes", "changes_requested"),
    ("kind", "concur", "concurred"),
    ("kind", "dissent", "dissented"),
    ("kind", "adjudicate", "adjudicated"),
    ("kind", "sign_off", "signed_off"),
    ("kind", "return", "returned"),
    ("kind", "reopen", "reopened"),
    ("kind", "end_blind", "blind_ended"),
)
TABLES = (
    ("findings", "author_id", "INSERT", (("", "", "finding_recorded"),)),
    ("verdicts", "author_id", "INSERT", (("", "", "submitted"),)),
    ("second_verdicts", "author_id", "INSERT", (("", "", "second_submitted"),)),
    ("reviews", "reviewer_id", "INSERT", OF_REVIEWS),
    ("evidence_views", "account_id", "INSERT OR UPDATE", OF_VIEWS),
)

DROP_TRIGGERS = """
ALTER TABLE exposures DROP CONSTRAINT ck_exposures_day_of_first;
DROP TRIGGER evidence_views_seen_is_counted ON evidence_views;
DROP TRIGGER vault_openings_persons ON vault_openings;
DROP TRIGGER consents_not_ahead ON consents;
DROP TRIGGER vault_openings_not_ahead ON vault_openings;
DROP TRIGGER export_downloads_not_ahead ON export_downloads;
DROP TRIGGER evidence_views_not_ahead ON evidence_views;
DROP TRIGGER case_members_hold_case ON case_members;
DROP TRIGGER a_verdicts_hold_case ON verdicts;
DROP TRIGGER a_reviews_hold_case ON reviews;
DROP FUNCTION exhibit_hold_case_of_member(), exhibit_hold_case_of_own_review(), exhibit_guard_opening_persons(),
    exhibit_view_is_counted(), exhibit_not_ahead(), exhibit_require_own_entry();
"""


def upgrade() -> None:
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    for table, person, events, entries in TABLES:
        for number, (column, word, entry) in enumerate(entries):
            condition = f"WHEN (NEW.{column} = '{word}')" if column else ""
            facts = {"table": table, "number": number, "events": events, "condition": condition, "person": person}
            op.execute(OWN_ENTRY.format(**facts, entry=f"evidence.{entry}"))


def downgrade() -> None:
    for table, _, _, entries in TABLES:
        for number in range(len(entries)):
            op.execute(f"DROP TRIGGER {table}_own_entry_{number} ON {table}")
    op.execute(DROP_TRIGGERS)
