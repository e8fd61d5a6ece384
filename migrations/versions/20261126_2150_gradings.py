"""Gradings, standards of proof and legal classifications of incidents: separate records, superseding, never edited."""

from alembic import op

revision = "r82_gradings"
down_revision = "r85_assessments"
branch_labels = None
depends_on = None

ERASABLE = {
    "gradings": ("rationale", "other_sources"),
    "standards_of_proof": ("rationale",),
    "classifications": ("rationale", "body", "decision_reference"),
}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""
GUARDS = {
    "gradings": ("grade", "chain"),
    "standards_of_proof": ("standard", "chain"),
    "classifications": ("qualifier",),
}
"""What a record states (empty: it withdraws), and whether each supersedes the one before it."""

TABLES = """
CREATE TABLE gradings (
    id uuid NOT NULL CONSTRAINT pk_gradings PRIMARY KEY,
    incident_id uuid NOT NULL CONSTRAINT fk_gradings_incident_id_incidents REFERENCES incidents (id),
    number integer NOT NULL,
    grade text CONSTRAINT ck_gradings_grade_word CHECK (grade IN ('confirmed', 'corroborated', 'single_source',
        'contested', 'discounted', 'under_verification')),
    rationale text NOT NULL CONSTRAINT ck_gradings_rationale_given CHECK (rationale <> ''),
    verdict_ids uuid[] NOT NULL,
    origins_at_least integer NOT NULL,
    origins_at_most integer NOT NULL,
    other_sources text[] NOT NULL,
    other_source_count integer NOT NULL,
    policy_version integer NOT NULL,
    supersedes uuid CONSTRAINT fk_gradings_supersedes_gradings REFERENCES gradings (id),
    author_id uuid NOT NULL CONSTRAINT fk_gradings_author_id_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_gradings_number UNIQUE (incident_id, number),
    CONSTRAINT uq_gradings_supersedes UNIQUE (supersedes),
    CONSTRAINT ck_gradings_supersedes_the_one_before CHECK ((number = 1) = (supersedes IS NULL)),
    CONSTRAINT ck_gradings_withdraws_something CHECK (grade IS NOT NULL OR supersedes IS NOT NULL),
    CONSTRAINT ck_gradings_origins_in_order CHECK (origins_at_least BETWEEN 0 AND origins_at_most),
    CONSTRAINT ck_gradings_origins_of_bases CHECK (origins_at_most <= cardinality(verdict_ids)),
    CONSTRAINT ck_gradings_sources_suffice CHECK (origins_at_least + other_source_count >= CASE grade
        WHEN 'confirmed' THEN 2 WHEN 'corroborated' THEN 2 WHEN 'single_source' THEN 1 ELSE 0 END),
    CONSTRAINT ck_gradings_other_sources_counted CHECK (cardinality(other_sources) =
        CASE WHEN 'other_sources' = ANY (erased) THEN 0 ELSE other_source_count END)
);

CREATE TABLE standards_of_proof (
    id uuid NOT NULL CONSTRAINT pk_standards_of_proof PRIMARY KEY,
    incident_id uuid NOT NULL CONSTRAINT fk_standards_of_proof_incident_id_incidents REFERENCES incidents (id),
    number integer NOT NULL,
    standard text CONSTRAINT ck_standards_of_proof_standard_word CHECK (standard ~ '^[a-z_]+$'),
    vocabulary text NOT NULL,
    rationale text NOT NULL CONSTRAINT ck_standards_of_proof_rationale_given CHECK (rationale <> ''),
    grading_id uuid CONSTRAINT fk_standards_of_proof_grading_id_gradings REFERENCES gradings (id),
    supersedes uuid CONSTRAINT fk_standards_of_proof_supersedes_standards_of_proof REFERENCES standards_of_proof (id),
    author_id uuid NOT NULL CONSTRAINT fk_standards_of_proof_author_id_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_standards_of_proof_number UNIQUE (incident_id, number),
    CONSTRAINT uq_standards_of_proof_supersedes UNIQUE (supersedes),
    CONSTRAINT ck_standards_of_proof_supersedes_the_one_before CHECK ((number = 1) = (supersedes IS NULL)),
    CONSTRAINT ck_standards_of_proof_withdraws_something CHECK (standard IS NOT NULL OR supersedes IS NOT NULL)
);

CREATE TABLE classifications (
    id uuid NOT NULL CONSTRAINT pk_classifications PRIMARY KEY,
    incident_id uuid NOT NULL CONSTRAINT fk_classifications_incident_id_incidents REFERENCES incidents (id),
    number integer NOT NULL,
    qualifier text CONSTRAINT ck_classifications_qualifier_word
        CHECK (qualifier IN ('alleged', 'assessed', 'adjudicated')),
    provisions text[] NOT NULL,
    vocabulary text NOT NULL,
    body text,
    decision_reference text,
    decided_on date,
    rationale text NOT NULL CONSTRAINT ck_classifications_rationale_given CHECK (rationale <> ''),
    grading_id uuid CONSTRAINT fk_classifications_grading_id_gradings REFERENCES gradings (id),
    supersedes uuid CONSTRAINT fk_classifications_supersedes_classifications REFERENCES classifications (id),
    author_id uuid NOT NULL CONSTRAINT fk_classifications_author_id_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    erased text[] NOT NULL DEFAULT '{}'::text[],
    CONSTRAINT uq_classifications_number UNIQUE (incident_id, number),
    CONSTRAINT uq_classifications_supersedes UNIQUE (supersedes),
    CONSTRAINT ck_classifications_withdraws_something CHECK (qualifier IS NOT NULL OR supersedes IS NOT NULL),
    CONSTRAINT ck_classifications_provisions_named CHECK ((qualifier IS NULL) = (cardinality(provisions) = 0)),
    CONSTRAINT ck_classifications_decision_of_adjudicated CHECK (
        (qualifier IS NOT DISTINCT FROM 'adjudicated') = (decided_on IS NOT NULL)
        AND (decided_on IS NULL) = (body IS NULL) AND (decided_on IS NULL) = (decision_reference IS NULL))
);
"""

# The row to be superseded is read as JSON: one function for three tables. TG_ARGV: the column that states something,
# and 'chain' where each record supersedes the one before it.
FUNCTIONS = """
CREATE FUNCTION exhibit_guard_superseding() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
    replaced jsonb;
    last integer;
BEGIN
    PERFORM FROM public.incidents i WHERE i.id = NEW.incident_id FOR UPDATE;
    EXECUTE format('SELECT coalesce(max(number), 0) FROM public.%I WHERE incident_id = $1', TG_TABLE_NAME)
        INTO last USING NEW.incident_id;
    EXECUTE format('SELECT to_jsonb(r) FROM public.%I r WHERE r.id = $1', TG_TABLE_NAME)
        INTO replaced USING NEW.supersedes;
    IF NEW.number <> last + 1
        OR (replaced IS NOT NULL AND replaced ->> 'incident_id' <> NEW.incident_id::text)
        OR (TG_NARGS = 2 AND replaced IS NOT NULL AND (replaced ->> 'number')::integer <> last)
    THEN
        RAISE EXCEPTION 'a record supersedes what stands for the same incident'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_supersedes_standing',
                  TABLE = TG_TABLE_NAME;
    END IF;
    IF replaced ->> TG_ARGV[0] IS NULL AND replaced IS NOT NULL AND (TG_NARGS = 1 OR made ->> TG_ARGV[0] IS NULL) THEN
        RAISE EXCEPTION 'nothing is withdrawn twice, and what ended is stated anew'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_withdraws_once',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_grading() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fitting integer;
BEGIN
    SELECT count(DISTINCT v.id) INTO fitting FROM public.verdicts v
        JOIN public.evidence e ON e.id = v.evidence_id AND e.state = 'signed_off'
        JOIN public.incident_evidence l ON l.evidence_id = v.evidence_id AND l.incident_id = NEW.incident_id
            AND l.unlinked_at IS NULL
        WHERE v.id = ANY (NEW.verdict_ids)
            AND NOT EXISTS (SELECT FROM public.verdicts later WHERE later.supersedes = v.id);
    IF fitting <> cardinality(NEW.verdict_ids) OR (NEW.grade IS NULL AND fitting + NEW.other_source_count > 0) THEN
        RAISE EXCEPTION 'a grading rests on the newest verdicts of signed-off items that are linked to its incident'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_grading_bases';
    END IF;
    IF NEW.policy_version IS DISTINCT FROM (SELECT max(p.version) FROM public.case_policies p
        JOIN public.incidents i ON i.case_id = p.case_id WHERE i.id = NEW.incident_id)
    THEN
        RAISE EXCEPTION 'a grading names the policy in force'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_grading_policy';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_grading_named() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.grading_id IS DISTINCT FROM (SELECT g.id FROM public.gradings g WHERE g.incident_id = NEW.incident_id
        AND g.grade IS NOT NULL AND NOT EXISTS (SELECT FROM public.gradings later WHERE later.supersedes = g.id))
    THEN
        RAISE EXCEPTION 'a standard or a classification names the grading that stands'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_grading_standing',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER gradings_rest_on_verdicts BEFORE INSERT ON gradings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_grading();
CREATE TRIGGER standards_of_proof_name_grading BEFORE INSERT ON standards_of_proof
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_grading_named();
CREATE TRIGGER classifications_name_grading BEFORE INSERT ON classifications
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_grading_named();
"""

FIX = """
CREATE TRIGGER {table}_guarded BEFORE INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_superseding({guard});
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure({erasable});
CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER {table}_need_entry AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('incident_id');
CREATE CONSTRAINT TRIGGER {table}_erasure_needs_entry_incident_id AFTER UPDATE OF erased ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('incident_id');
GRANT SELECT, INSERT ON {table} TO exhibit_app;
GRANT UPDATE ({columns}, erased) ON {table} TO exhibit_app;
"""

DROP = """
DROP TABLE classifications, standards_of_proof, gradings;
DROP FUNCTION exhibit_guard_superseding(), exhibit_guard_grading(), exhibit_guard_grading_named();
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    for table, columns in ERASABLE.items():
        guard, erasable = (", ".join(f"'{word}'" for word in words) for words in (GUARDS[table], columns))
        op.execute(FIX.format(table=table, guard=guard, erasable=erasable, columns=", ".join(columns)))


def downgrade() -> None:
    op.execute(DROP)
