"""Consents and withdrawals; what stands of them is worked out here, and closes the item."""

from alembic import op

revision = "r103_consent"
down_revision = "r101b_end_blind"
branch_labels = None
depends_on = None

ERASABLE = {"consents": ("pseudonym", "reason")}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""

UP = """
ALTER TABLE evidence ADD COLUMN closed_at timestamptz;
CREATE INDEX ix_evidence_closing ON evidence (case_id) WHERE closed_at IS NOT NULL;

CREATE TABLE consents (
    id uuid NOT NULL CONSTRAINT pk_consents PRIMARY KEY,
    item_id uuid NOT NULL,
    evidence_id uuid CONSTRAINT fk_consents_evidence_id_evidence REFERENCES evidence (id),
    stream_id uuid NOT NULL CONSTRAINT fk_consents_stream_id_ledger_streams REFERENCES ledger_streams (id),
    number integer NOT NULL,
    act text NOT NULL CONSTRAINT ck_consents_act_word CHECK (act IN ('given', 'withdrawn')),
    subject_id uuid NOT NULL,
    subject_kind text NOT NULL CONSTRAINT ck_consents_subject_kind_word
        CHECK (subject_kind IN ('source', 'person_shown', 'guardian', 'rights_holder', 'witness')),
    pseudonym text,
    scopes text[] NOT NULL,
    obtained text CONSTRAINT ck_consents_obtained_word
        CHECK (obtained IN ('written', 'recorded', 'spoken', 'electronic')),
    stated_on date NOT NULL,
    valid_until timestamptz,
    reason text,
    recorded_by uuid NOT NULL CONSTRAINT fk_consents_recorded_by_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_consents_number UNIQUE (item_id, number),
    CONSTRAINT ck_consents_of_its_item CHECK (evidence_id IS NULL OR (evidence_id = item_id AND stream_id = item_id)),
    CONSTRAINT ck_consents_scopes_known CHECK (cardinality(scopes) > 0
        AND scopes <@ ARRAY['verification', 'partners', 'legal_proceedings', 'publication']::text[]),
    CONSTRAINT ck_consents_rests_on_verification CHECK (act <> 'given' OR 'verification' = ANY (scopes)),
    CONSTRAINT ck_consents_given_somehow CHECK ((act = 'given') = (obtained IS NOT NULL)),
    CONSTRAINT ck_consents_withdrawn_for_good CHECK (act = 'given' OR valid_until IS NULL),
    CONSTRAINT ck_consents_all_or_less
        CHECK (act <> 'withdrawn' OR NOT 'verification' = ANY (scopes) OR cardinality(scopes) = 4)
);
CREATE INDEX ix_consents_item_id_recorded_at_id ON consents (item_id, recorded_at, id);

CREATE TABLE consent_standing (
    item_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    scope text NOT NULL CONSTRAINT ck_consent_standing_scope_word
        CHECK (scope IN ('verification', 'partners', 'legal_proceedings', 'publication')),
    stands_until timestamptz,
    CONSTRAINT pk_consent_standing PRIMARY KEY (item_id, subject_id, scope)
);

CREATE FUNCTION exhibit_closed_at(item uuid) RETURNS timestamptz LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT min(s.stands_until) FROM public.consent_standing s WHERE s.item_id = item AND s.scope = 'verification'
$$;
COMMENT ON FUNCTION exhibit_closed_at(uuid) IS
    'From when on nothing of an item is shown, because somebody''s consent to that ends or was withdrawn.';

-- With its owner's rights: the application does not write what stands.
CREATE FUNCTION exhibit_apply_consent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.consent_standing (item_id, subject_id, scope, stands_until)
        SELECT NEW.item_id, NEW.subject_id, each,
            CASE WHEN NEW.act = 'given' AND each = ANY (NEW.scopes) THEN NEW.valid_until ELSE NEW.recorded_at END
        FROM unnest(ARRAY['verification', 'partners', 'legal_proceedings', 'publication']) AS each
        WHERE NEW.act = 'given' OR each = ANY (NEW.scopes)
    ON CONFLICT (item_id, subject_id, scope) DO UPDATE SET stands_until = CASE WHEN NEW.act = 'given'
        THEN excluded.stands_until ELSE least(consent_standing.stands_until, excluded.stands_until) END;
    UPDATE public.evidence e SET closed_at = public.exhibit_closed_at(e.id)
        WHERE e.id = NEW.evidence_id AND e.closed_at IS DISTINCT FROM public.exhibit_closed_at(e.id);
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_guard_closing() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.closed_at IS DISTINCT FROM public.exhibit_closed_at(NEW.id) THEN
        RAISE EXCEPTION 'consents alone close an item, or open it again'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_closed_by_consent';
    END IF;
    RETURN NEW;
END $$;

-- Locked as a withdrawal locks it: a viewing that is written beside one waits for it, and then sees it.
CREATE FUNCTION exhibit_guard_view_consent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id FOR KEY SHARE;
    IF EXISTS (SELECT FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.closed_at <= clock_timestamp()) THEN
        RAISE EXCEPTION 'consent to this item was withdrawn'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_consent_withdrawn';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER consents_applied AFTER INSERT ON consents
    FOR EACH ROW EXECUTE FUNCTION exhibit_apply_consent();
CREATE TRIGGER consents_fixed BEFORE UPDATE OR DELETE ON consents
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure('pseudonym', 'reason');
CREATE TRIGGER consents_refuse_truncate BEFORE TRUNCATE ON consents
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER consents_need_entry AFTER INSERT ON consents
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream_id');
CREATE CONSTRAINT TRIGGER consents_erasure_needs_entry_stream_id AFTER UPDATE OF erased ON consents
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('stream_id');
CREATE TRIGGER evidence_closing_guarded BEFORE INSERT OR UPDATE OF closed_at ON evidence
    FOR EACH ROW WHEN (NEW.closed_at IS NOT NULL) EXECUTE FUNCTION exhibit_guard_closing();
CREATE TRIGGER evidence_opening_guarded BEFORE UPDATE OF closed_at ON evidence
    FOR EACH ROW WHEN (NEW.closed_at IS NULL AND OLD.closed_at IS NOT NULL) EXECUTE FUNCTION exhibit_guard_closing();
CREATE TRIGGER evidence_views_need_consent BEFORE INSERT OR UPDATE ON evidence_views
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_view_consent();
GRANT SELECT, INSERT ON consents TO exhibit_app;
GRANT UPDATE (pseudonym, reason, erased) ON consents TO exhibit_app;
GRANT SELECT ON consent_standing TO exhibit_app;
"""
DOWN = """
DROP TRIGGER evidence_views_need_consent ON evidence_views;
DROP TRIGGER evidence_opening_guarded ON evidence;
DROP TRIGGER evidence_closing_guarded ON evidence;
DROP TABLE consent_standing, consents;
DROP FUNCTION exhibit_guard_view_consent(), exhibit_guard_closing(), exhibit_apply_consent(), exhibit_closed_at(uuid);
ALTER TABLE evidence DROP COLUMN closed_at;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
