"""Blind double verification: a round that begins blind, the second's findings and verdict, and who may judge then.

docs/decisions/0041 has the rules. The guards stand beside those of ``r05_verification``, in triggers of their own.
"""

from alembic import op

revision = "r80_blind"
down_revision = "r72_decisions_in_one_case"
branch_labels = None
depends_on = None

ERASABLE = {"second_verdicts": ("rationale",)}
"""The columns that hold a personal value; a test compares them with the places in the code."""

TABLES = """
ALTER TABLE evidence ADD COLUMN blind text CONSTRAINT ck_evidence_blind_word CHECK (blind IN ('pending', 'complete'));
ALTER TABLE evidence ADD COLUMN blind_since timestamptz;
ALTER TABLE evidence ADD CONSTRAINT ck_evidence_blind_has_beginning
    CHECK ((blind IS NULL) = (blind_since IS NULL) AND (blind IS NULL OR round > 0));
ALTER TABLE findings ADD COLUMN place text NOT NULL DEFAULT 'first'
    CONSTRAINT ck_findings_place_word CHECK (place IN ('first', 'second'));

CREATE TABLE second_verdicts (
    id uuid NOT NULL CONSTRAINT pk_second_verdicts PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_second_verdicts_evidence_id_evidence REFERENCES evidence (id),
    verdict_id uuid NOT NULL,
    round integer NOT NULL,
    outcome text NOT NULL CONSTRAINT ck_second_verdicts_outcome_word CHECK (outcome IN ('verified',
        'partially_verified', 'inconclusive', 'misattributed', 'manipulated', 'excluded')),
    rationale text NOT NULL CONSTRAINT ck_second_verdicts_rationale_given CHECK (rationale <> ''),
    finding_ids uuid[] NOT NULL,
    policy_version integer NOT NULL,
    author_id uuid NOT NULL CONSTRAINT fk_second_verdicts_author_id_accounts REFERENCES accounts (id),
    submitted_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}',
    CONSTRAINT fk_second_verdicts_verdict_id_evidence_id_verdicts
        FOREIGN KEY (verdict_id, evidence_id) REFERENCES verdicts (id, evidence_id),
    CONSTRAINT uq_second_verdicts_round UNIQUE (evidence_id, round)
);
"""

IS_AUTHOR = """
CREATE OR REPLACE FUNCTION exhibit_is_author(item uuid, person uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.findings f WHERE f.evidence_id = item AND f.author_id = person{first})
        OR EXISTS (SELECT FROM public.verdicts v WHERE v.evidence_id = item AND v.author_id = person)
$$;
"""

DRAFTS = """
CREATE OR REPLACE FUNCTION exhibit_guard_draft() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND {awaited}
        AND e.lease_holder = NEW.author_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'drafts are saved in verification by the holder of the lease'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_draft_by_lease_holder';
    END IF;
    RETURN NEW;
END $$;
"""
FIRST = "e.state = 'in_verification'"
EITHER = f"({FIRST} OR (e.state = 'awaiting_peer_review' AND e.blind = 'pending'))"

# As in r05_verification each takes the item's row lock first, so that no answer changes before the commit.
FUNCTIONS = """
CREATE FUNCTION exhibit_guard_blind() RETURNS trigger LANGUAGE plpgsql
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
        is_due := NEW.blind IS NOT DISTINCT FROM CASE WHEN is_asked THEN 'pending' END;
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

-- For findings of the place 'second', and for second verdicts: the one who holds the lease while the first's verdict
-- waits, is no author of the item, and took no file of its custody log in this round.
CREATE FUNCTION exhibit_guard_second() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    SELECT e.case_id, e.state, e.round, e.lease_holder, e.blind, e.blind_since INTO item
        FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF item.state IS DISTINCT FROM 'awaiting_peer_review' OR item.round IS DISTINCT FROM NEW.round
        OR item.blind IS DISTINCT FROM 'pending'
    THEN
        RAISE EXCEPTION 'the second verifies while a blind round awaits its peer review'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_second_awaited';
    END IF;
    IF item.lease_holder IS DISTINCT FROM NEW.author_id THEN
        RAISE EXCEPTION 'findings and verdicts are written by the holder of the lease'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_written_by_lease_holder';
    END IF;
    IF public.exhibit_is_author(NEW.evidence_id, NEW.author_id) THEN
        RAISE EXCEPTION 'nobody reviews their own work'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_no_self_review';
    END IF;
    IF EXISTS (
        SELECT FROM public.ledger_entries e JOIN public.case_pseudonyms p ON p.pseudonym = e.actor_id
        WHERE e.stream_id = NEW.evidence_id AND e.type = 'export.created' AND e.recorded_at >= item.blind_since
            AND p.case_id = item.case_id AND p.account_id = NEW.author_id
    ) THEN
        RAISE EXCEPTION 'who took the custody log in this round has seen the first''s work'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_second_is_blind';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_second_verdict() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present record;
BEGIN
    SELECT v.id, v.round INTO present FROM public.verdicts v
        WHERE v.evidence_id = NEW.evidence_id ORDER BY v.version DESC LIMIT 1;
    IF present.id IS DISTINCT FROM NEW.verdict_id OR present.round IS DISTINCT FROM NEW.round THEN
        RAISE EXCEPTION 'the second verdict stands beside the item''s present one'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_second_awaited';
    END IF;
    IF EXISTS (
        SELECT FROM public.evidence e
        CROSS JOIN LATERAL (SELECT p.document FROM public.case_policies p
            WHERE p.case_id = e.case_id ORDER BY p.version DESC LIMIT 1) AS policy
        CROSS JOIN LATERAL jsonb_array_elements_text(policy.document -> 'required_dimensions') AS required (dimension)
        WHERE e.id = NEW.evidence_id AND NOT EXISTS (
            SELECT FROM public.findings f WHERE f.evidence_id = e.id AND f.round = NEW.round AND f.place = 'second'
                AND f.author_id = NEW.author_id AND f.dimension = required.dimension
                AND f.id = ANY (NEW.finding_ids))
    ) THEN
        RAISE EXCEPTION 'the second verdict rests on findings of one''s own in every required dimension'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_second_complete';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_blind_review() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
    own record;
BEGIN
    SELECT e.round, e.blind INTO item FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF NEW.kind IN ('adjudicate', 'sign_off') AND EXISTS (
        SELECT FROM public.findings f WHERE f.evidence_id = NEW.evidence_id AND f.round = NEW.round
            AND f.place = 'second' AND f.author_id = NEW.reviewer_id
    ) THEN
        RAISE EXCEPTION 'who verified second in this round neither adjudicates nor signs off'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_third_person';
    END IF;
    IF item.blind IS NULL OR NEW.kind NOT IN ('request_changes', 'concur', 'dissent') THEN
        RETURN NEW;
    END IF;
    SELECT s.verdict_id, s.author_id, s.outcome, v.outcome AS present_outcome INTO own
        FROM public.second_verdicts s, public.verdicts v
        WHERE s.evidence_id = NEW.evidence_id AND s.round = item.round AND v.id = NEW.verdict_id;
    IF own.verdict_id IS NULL THEN
        RAISE EXCEPTION 'in a blind round the second''s own verdict comes before the review'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_second_comes_first';
    END IF;
    IF NEW.kind IN ('concur', 'dissent') AND own.verdict_id = NEW.verdict_id AND own.author_id <> NEW.reviewer_id THEN
        RAISE EXCEPTION 'the verdict that was verified twice is reviewed by who verified it second'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_reviewed_by_second';
    END IF;
    IF NEW.kind = 'concur' AND own.outcome <> own.present_outcome AND NOT EXISTS (
        SELECT FROM public.reviews r
        WHERE r.evidence_id = NEW.evidence_id AND r.round = item.round AND r.kind = 'adjudicate'
    ) THEN
        RAISE EXCEPTION 'two blind verdicts of different outcomes are a dispute until a third person decides'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_outcomes_agree';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_blind_withdrawal() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF EXISTS (SELECT FROM public.second_verdicts s WHERE s.verdict_id = NEW.verdict_id) THEN
        RAISE EXCEPTION 'a verdict beside which a second one stands is not withdrawn'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_verified_twice';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER evidence_blind_guarded BEFORE INSERT OR UPDATE ON evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_blind();
DROP TRIGGER findings_guarded ON findings;
CREATE TRIGGER findings_guarded BEFORE INSERT ON findings
    FOR EACH ROW WHEN (NEW.place = 'first') EXECUTE FUNCTION exhibit_guard_authorship();
CREATE TRIGGER findings_second_guarded BEFORE INSERT ON findings
    FOR EACH ROW WHEN (NEW.place = 'second') EXECUTE FUNCTION exhibit_guard_second();
CREATE TRIGGER second_verdicts_guarded BEFORE INSERT ON second_verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_second();
CREATE TRIGGER second_verdicts_guarded_too BEFORE INSERT ON second_verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_second_verdict();
CREATE TRIGGER reviews_blind_guarded BEFORE INSERT ON reviews
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_blind_review();
CREATE TRIGGER verdict_withdrawals_blind_guarded BEFORE INSERT ON verdict_withdrawals
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_blind_withdrawal();
CREATE CONSTRAINT TRIGGER evidence_blind_needs_entry AFTER UPDATE OF blind, blind_since ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');

CREATE TRIGGER second_verdicts_fixed BEFORE UPDATE OR DELETE ON second_verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure('rationale');
CREATE TRIGGER second_verdicts_refuse_truncate BEFORE TRUNCATE ON second_verdicts
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER second_verdicts_need_entry AFTER INSERT ON second_verdicts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER second_verdicts_erasure_needs_entry_evidence_id AFTER UPDATE OF erased ON second_verdicts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('evidence_id');

GRANT SELECT, INSERT ON second_verdicts TO exhibit_app;
GRANT UPDATE (rationale, erased) ON second_verdicts TO exhibit_app;
"""

# What a second verifier wrote cannot be kept in the schema of before: the way back stops there, by the constraint.
DROP = """
ALTER TABLE findings ADD CONSTRAINT ck_findings_none_by_a_second CHECK (place = 'first');
DROP TRIGGER evidence_blind_needs_entry ON evidence;
DROP TRIGGER evidence_blind_guarded ON evidence;
DROP TRIGGER reviews_blind_guarded ON reviews;
DROP TRIGGER verdict_withdrawals_blind_guarded ON verdict_withdrawals;
DROP TRIGGER findings_second_guarded ON findings;
DROP TRIGGER findings_guarded ON findings;
DROP TABLE second_verdicts;
DROP FUNCTION exhibit_guard_blind(), exhibit_guard_second(), exhibit_guard_second_verdict(),
    exhibit_guard_blind_review(), exhibit_guard_blind_withdrawal();
"""
DROP_COLUMNS = """
ALTER TABLE findings DROP COLUMN place;
ALTER TABLE evidence DROP COLUMN blind, DROP COLUMN blind_since;
CREATE TRIGGER findings_guarded BEFORE INSERT ON findings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_authorship();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(IS_AUTHOR.format(first=" AND f.place = 'first'"))
    op.execute(DRAFTS.format(awaited=EITHER))
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(DROP)
    op.execute(IS_AUTHOR.format(first=""))
    op.execute(DRAFTS.format(awaited=FIRST))
    op.execute(DROP_COLUMNS)
