"""Testimonies of an incident, each with its witness's consent; a withdrawal closes every version."""

from alembic import op

revision = "r103b_testimonies"
down_revision = "r103_consent"
branch_labels = None
depends_on = None

ERASABLE = {"testimonies": ("pseudonym", "text", "taken_by")}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""

TABLE = """
CREATE TABLE testimonies (
    id uuid NOT NULL CONSTRAINT pk_testimonies PRIMARY KEY,
    fact_id uuid NOT NULL,
    incident_id uuid NOT NULL CONSTRAINT fk_testimonies_incident_id_incidents REFERENCES incidents (id),
    number integer NOT NULL,
    version integer NOT NULL,
    supersedes uuid CONSTRAINT fk_testimonies_supersedes_testimonies REFERENCES testimonies (id),
    pseudonym text NOT NULL,
    text text NOT NULL,
    language text NOT NULL,
    taken_on date NOT NULL,
    taken_by text NOT NULL,
    method text NOT NULL CONSTRAINT ck_testimonies_method_word CHECK (method IN ('interview_in_person',
        'interview_remote', 'written_statement', 'recorded_statement', 'through_another')),
    required_scope text NOT NULL CONSTRAINT ck_testimonies_required_scope_word
        CHECK (required_scope IN ('verification', 'partners', 'legal_proceedings', 'publication')),
    author_id uuid NOT NULL CONSTRAINT fk_testimonies_author_id_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    closed_at timestamptz,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_testimonies_number UNIQUE (incident_id, number),
    CONSTRAINT uq_testimonies_version UNIQUE (fact_id, version),
    CONSTRAINT ck_testimonies_supersedes_the_one_before
        CHECK (version > 0 AND (version = 1) = (supersedes IS NULL)),
    CONSTRAINT ck_testimonies_named_by_its_first CHECK ((version = 1) = (fact_id = id))
);
CREATE INDEX ix_testimonies_incident_id_recorded_at_id ON testimonies (incident_id, recorded_at, id);
"""

CLOSE = """
CREATE OR REPLACE FUNCTION exhibit_apply_consent() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
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
{testimonies}    RETURN NULL;
END $$;
"""
TESTIMONIES = """    UPDATE public.testimonies t SET closed_at = public.exhibit_closed_at(t.fact_id)
        WHERE t.fact_id = NEW.item_id AND t.closed_at IS DISTINCT FROM public.exhibit_closed_at(t.fact_id);
"""

GUARDS = """
CREATE FUNCTION exhibit_guard_testimony() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT t.id, t.version, t.incident_id INTO last FROM public.testimonies t
            WHERE t.fact_id = NEW.fact_id ORDER BY t.version DESC LIMIT 1;
        IF NEW.supersedes IS DISTINCT FROM last.id OR NEW.version <> coalesce(last.version, 0) + 1
            OR NEW.incident_id <> coalesce(last.incident_id, NEW.incident_id)
        THEN
            RAISE EXCEPTION 'a testimony supersedes the version that stands'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_supersedes_testimony_in_force';
        END IF;
        NEW.closed_at := public.exhibit_closed_at(NEW.fact_id);
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.closed_at IS NOT DISTINCT FROM public.exhibit_closed_at(NEW.fact_id)
        AND (to_jsonb(NEW) - 'closed_at' = to_jsonb(OLD) - 'closed_at'
            OR public.exhibit_is_erasure(to_jsonb(OLD), to_jsonb(NEW), ARRAY['pseudonym', 'text', 'taken_by']))
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on testimonies is refused: they are only ever added to, or erased by an entry', TG_OP
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_refuse_change', TABLE = TG_TABLE_NAME;
END $$;

CREATE FUNCTION exhibit_testimony_has_consent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.consents c WHERE c.item_id = NEW.fact_id AND c.stream_id = NEW.incident_id AND c.act = 'given';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a testimony is recorded with its witness''s consent'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_testimony_has_consent';
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER testimonies_guarded BEFORE INSERT OR UPDATE OR DELETE ON testimonies
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_testimony();
CREATE TRIGGER testimonies_refuse_truncate BEFORE TRUNCATE ON testimonies
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER testimonies_have_consent AFTER INSERT ON testimonies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_testimony_has_consent();
CREATE CONSTRAINT TRIGGER testimonies_need_entry AFTER INSERT ON testimonies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('incident_id');
CREATE CONSTRAINT TRIGGER testimonies_erasure_needs_entry_incident_id AFTER UPDATE OF erased ON testimonies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('incident_id');
GRANT SELECT, INSERT ON testimonies TO exhibit_app;
GRANT UPDATE (pseudonym, text, taken_by, erased) ON testimonies TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(TABLE)
    op.execute(CLOSE.format(testimonies=TESTIMONIES))
    op.execute(GUARDS)


def downgrade() -> None:
    op.execute("DROP TABLE testimonies")
    op.execute(CLOSE.format(testimonies=""))
    op.execute("DROP FUNCTION exhibit_testimony_has_consent(), exhibit_guard_testimony()")
