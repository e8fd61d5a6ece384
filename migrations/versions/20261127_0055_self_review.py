"""A case of one verifier: a setting, on record, lets that person review what they submitted as self-reviewed.

docs/decisions/0052 says why it is declared at submission, and by what it is held.
"""

from alembic import op

revision = "r101c_self_review"
down_revision = "r111_export_audience"
branch_labels = None
depends_on = None

# The row with the highest number is in force; each has its entry in the system's stream.
SETTING = """
CREATE TABLE self_review_settings (
    number integer NOT NULL CONSTRAINT pk_self_review_settings PRIMARY KEY
        CONSTRAINT ck_self_review_settings_number_counts CHECK (number > 0),
    is_allowed boolean NOT NULL,
    set_at timestamptz NOT NULL
);
CREATE TRIGGER self_review_settings_fixed BEFORE UPDATE OR DELETE ON self_review_settings
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER self_review_settings_refuse_truncate BEFORE TRUNCATE ON self_review_settings
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER self_review_settings_need_entry AFTER INSERT ON self_review_settings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
GRANT SELECT, INSERT ON self_review_settings TO exhibit_app;
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_is_only_verifier(of_case uuid, person uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce((SELECT s.is_allowed FROM public.self_review_settings s ORDER BY s.number DESC LIMIT 1), false)
        AND NOT EXISTS (
            SELECT FROM public.case_members m JOIN public.accounts a ON a.id = m.account_id
            WHERE m.case_id = of_case AND m.account_id <> person AND m.role IN ('verifier', 'researcher')
                AND a.is_active)
$$;
COMMENT ON FUNCTION exhibit_is_only_verifier(uuid, uuid) IS
    'Whether the setting allows self-review and nobody else in the case may verify, review or sign off.';

CREATE FUNCTION exhibit_may_review_own(item uuid, person uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM public.evidence e CROSS JOIN LATERAL (
            SELECT v.self_reviewed, v.author_id FROM public.verdicts v
            WHERE v.evidence_id = e.id ORDER BY v.version DESC LIMIT 1) AS present
        WHERE e.id = item AND present.self_reviewed AND present.author_id = person
            AND public.exhibit_is_only_verifier(e.case_id, person))
$$;
COMMENT ON FUNCTION exhibit_may_review_own(uuid, uuid) IS
    'Whether the person may review and sign off the item''s present verdict, which is their own and says so.';

CREATE FUNCTION exhibit_guard_self_reviewed() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.evidence e WHERE e.id = NEW.evidence_id
        AND public.exhibit_is_only_verifier(e.case_id, NEW.author_id)) THEN
        RAISE EXCEPTION 'a verdict is self-reviewed only where a setting allows it and nobody else may review it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_self_review_allowed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER verdicts_self_reviewed_guarded BEFORE INSERT ON verdicts
    FOR EACH ROW WHEN (NEW.self_reviewed) EXECUTE FUNCTION exhibit_guard_self_reviewed();
ALTER TABLE verdicts DROP CONSTRAINT ck_verdicts_never_self_reviewed;
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
OWN = "public.exhibit_may_review_own(NEW.evidence_id, NEW.reviewer_id)"
AUTHOR = "AND public.exhibit_is_author(NEW.evidence_id, NEW.reviewer_id)\n"
THIRD = "IF NEW.kind IN ('adjudicate', 'sign_off') AND EXISTS (\n        SELECT FROM public.reviews r"
LATER = THIRD.replace("AND EXISTS", f"AND NOT (NEW.kind = 'sign_off' AND {OWN})\n        AND EXISTS")
ENDED = "IF public.exhibit_is_author(NEW.evidence_id, NEW.reviewer_id) THEN"
EDITS = (
    (
        "exhibit_guard_review",
        AUTHOR,
        f"{AUTHOR}        AND NOT (NEW.kind IN ('request_changes', 'concur', 'sign_off')\n            AND {OWN})\n",
    ),
    ("exhibit_guard_review", THIRD, LATER),
    ("exhibit_guard_end_blind", ENDED, ENDED.replace(" THEN", f"\n        AND NOT {OWN}\n    THEN")),
)  # fmt: skip


def upgrade() -> None:
    op.execute(SETTING)
    op.execute(FUNCTIONS)
    for function, before, after in EDITS:
        op.execute(EDIT.format(function=function, before=before, after=after))


def downgrade() -> None:
    # What reviewed itself cannot be told in the schema of before: the way back stops here, by the constraint.
    op.execute("ALTER TABLE verdicts ADD CONSTRAINT ck_verdicts_never_self_reviewed CHECK (NOT self_reviewed)")
    for function, before, after in reversed(EDITS):
        op.execute(EDIT.format(function=function, before=after, after=before))
    op.execute("DROP TRIGGER verdicts_self_reviewed_guarded ON verdicts")
    op.execute("DROP FUNCTION exhibit_guard_self_reviewed(), exhibit_may_review_own(uuid, uuid)")
    op.execute("DROP FUNCTION exhibit_is_only_verifier(uuid, uuid)")
    op.execute("DROP TABLE self_review_settings")
