"""A blind round for which there is no second is ended, with a reason, and says so for ever. docs/decisions/0052."""

from alembic import op

revision = "r101b_end_blind"
down_revision = "r107_places_and_references"
branch_labels = None
depends_on = None

BLIND_WORDS = """
ALTER TABLE evidence DROP CONSTRAINT ck_evidence_blind_word;
ALTER TABLE evidence ADD CONSTRAINT ck_evidence_blind_word CHECK (blind IN ({words}));
"""

KINDS = """
ALTER TABLE reviews DROP CONSTRAINT ck_reviews_kind_word, DROP CONSTRAINT ck_reviews_leads_on;
ALTER TABLE reviews
    ADD CONSTRAINT ck_reviews_kind_word CHECK (kind IN ('request_changes', 'concur', 'dissent', 'adjudicate',
        'sign_off', 'return', 'reopen'{kind})),
    ADD CONSTRAINT ck_reviews_leads_on CHECK ((kind, leads_to) IN (('request_changes', 'in_verification'),
        ('concur', 'awaiting_sign_off'), ('dissent', 'disputed'), ('adjudicate', 'awaiting_sign_off'),
        ('adjudicate', 'in_verification'), ('sign_off', 'signed_off'), ('return', 'in_verification'),
        ('reopen', 'in_verification'){move}));
"""

GUARD = """
CREATE FUNCTION exhibit_guard_end_blind() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.blind = 'pending' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only a blind round that still awaits its second verdict is ended'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_blind_round';
    END IF;
    IF public.exhibit_is_author(NEW.evidence_id, NEW.reviewer_id) THEN
        RAISE EXCEPTION 'nobody ends the blindness of their own work'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_no_self_review';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER reviews_end_blind_guarded BEFORE INSERT ON reviews
    FOR EACH ROW WHEN (NEW.kind = 'end_blind') EXECUTE FUNCTION exhibit_guard_end_blind();
"""

# One place of each function is another; the rest stays as the migration has it that made it.
EDIT = """
DO $edit$
DECLARE
    source text := pg_get_functiondef('public.{function}'::regproc);
BEGIN
    IF position($of${before}$of$ IN source) = 0 THEN
        RAISE EXCEPTION '{function} is not as it was expected';
    END IF;
    EXECUTE replace(source, $of${before}$of$, $of${after}$of$);
END $edit$;
"""
SECOND = "EXISTS (SELECT FROM public.second_verdicts s WHERE s.evidence_id = NEW.id AND s.round = NEW.round)"
ENDING = (
    "EXISTS (SELECT FROM public.reviews r\n"
    "                WHERE r.evidence_id = NEW.id AND r.round = NEW.round AND r.kind = 'end_blind')"
)
TWICE_ONLY = (
    f"OLD.blind = 'pending' AND NEW.blind = 'complete' AND NEW.blind_since = OLD.blind_since\n            AND {SECOND};"
)
TWICE_OR_ENDED = (
    "OLD.blind = 'pending' AND NEW.blind_since = OLD.blind_since AND CASE NEW.blind\n"
    f"            WHEN 'complete' THEN {SECOND}\n"
    f"            WHEN 'ended' THEN {ENDING}\n"
    "            ELSE false END;"
)
EDITS = (
    (
        "exhibit_guard_blind",
        TWICE_ONLY,
        TWICE_OR_ENDED,
    ),
    ("exhibit_guard_blind_review", "item.blind IS NULL OR", "item.blind IS NULL OR item.blind = 'ended' OR"),
    (
        "exhibit_guard_withdrawal",
        "FROM public.reviews r WHERE r.verdict_id = NEW.verdict_id)",
        "FROM public.reviews r WHERE r.verdict_id = NEW.verdict_id AND r.kind <> 'end_blind')",
    ),
)


def upgrade() -> None:
    op.execute(BLIND_WORDS.format(words="'pending', 'complete', 'ended'"))
    op.execute(KINDS.format(kind=", 'end_blind'", move=", ('end_blind', 'awaiting_peer_review')"))
    op.execute(GUARD)
    for function, before, after in EDITS:
        op.execute(EDIT.format(function=function, before=before, after=after))


def downgrade() -> None:
    for function, before, after in EDITS:
        op.execute(EDIT.format(function=function, before=after, after=before))
    op.execute("DROP TRIGGER reviews_end_blind_guarded ON reviews; DROP FUNCTION exhibit_guard_end_blind();")
    # What was ended cannot be told in the schema of before: the way back stops here, by the constraints.
    op.execute(KINDS.format(kind="", move=""))
    op.execute(BLIND_WORDS.format(words="'pending', 'complete'"))
