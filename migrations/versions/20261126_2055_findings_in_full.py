"""What findings refer to, a location's point, drafts, and that a verdict is complete by the policy in force."""

from alembic import op

revision = "r78_findings"
down_revision = "r77_exposure"
branch_labels = None
depends_on = None

ERASABLE = {"findings": ("sources", "latitude_microdegrees", "longitude_microdegrees")}
"""Columns that hold a personal value, besides those of the migration ``erasure``."""
BEFORE = ("time_basis", "rationale", "references")

TABLES = """
ALTER TABLE findings
    ADD COLUMN latitude_microdegrees integer,
    ADD COLUMN longitude_microdegrees integer,
    ADD COLUMN sources jsonb DEFAULT '[]'::jsonb
        CONSTRAINT ck_findings_sources_listed CHECK (jsonb_typeof(sources) IN ('array', 'null')),
    ADD CONSTRAINT ck_findings_point_on_earth CHECK (latitude_microdegrees BETWEEN -90000000 AND 90000000
        AND longitude_microdegrees BETWEEN -180000000 AND 180000000),
    ADD CONSTRAINT ck_findings_point_whole
        CHECK ((latitude_microdegrees IS NULL) = (longitude_microdegrees IS NULL)),
    ADD CONSTRAINT ck_findings_point_fits CHECK (latitude_microdegrees IS NULL
        OR (dimension = 'location' AND coalesce(place_precision, 'none') NOT IN ('country', 'none'))),
    ADD CONSTRAINT ck_findings_precision_fits CHECK ((place_precision IS NULL OR dimension = 'location')
        AND (time_from IS NULL OR dimension IN ('date', 'provenance')));

CREATE TABLE finding_citations (
    finding_id uuid NOT NULL CONSTRAINT fk_finding_citations_finding_id_findings REFERENCES findings (id),
    cited_id uuid NOT NULL CONSTRAINT fk_finding_citations_cited_id_evidence REFERENCES evidence (id),
    CONSTRAINT pk_finding_citations PRIMARY KEY (finding_id, cited_id)
);
CREATE INDEX ix_finding_citations_cited_id ON finding_citations (cited_id);

CREATE TABLE finding_drafts (
    id uuid NOT NULL CONSTRAINT pk_finding_drafts PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_finding_drafts_evidence_id_evidence REFERENCES evidence (id),
    author_id uuid NOT NULL CONSTRAINT fk_finding_drafts_author_id_accounts REFERENCES accounts (id),
    dimension text NOT NULL CONSTRAINT ck_finding_drafts_dimension_word CHECK (dimension IN ('provenance', 'source',
        'date', 'location', 'content', 'technical', 'motivation')),
    content jsonb NOT NULL,
    version integer NOT NULL CONSTRAINT ck_finding_drafts_version_counts CHECK (version > 0),
    saved_at timestamptz NOT NULL,
    CONSTRAINT uq_finding_drafts_one UNIQUE (evidence_id, author_id, dimension)
);
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_guard_citation() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.findings f JOIN public.evidence own ON own.id = f.evidence_id
        JOIN public.evidence cited ON cited.case_id = own.case_id AND cited.id <> own.id
        WHERE f.id = NEW.finding_id AND cited.id = NEW.cited_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a finding refers to other items of its own case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_cited_within_case';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_draft() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.state = 'in_verification'
        AND e.lease_holder = NEW.author_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'drafts are saved in verification by the holder of the lease'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_draft_by_lease_holder';
    END IF;
    RETURN NEW;
END $$;

-- The application holds the case while a verdict is written, so that its policy does not change meanwhile.
CREATE FUNCTION exhibit_guard_verdict_complete() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    policy record;
BEGIN
    SELECT p.version, p.document INTO policy FROM public.case_policies p JOIN public.evidence e ON e.case_id = p.case_id
        WHERE e.id = NEW.evidence_id ORDER BY p.version DESC LIMIT 1;
    IF policy.version IS DISTINCT FROM NEW.policy_version OR EXISTS (
        SELECT FROM jsonb_array_elements_text(policy.document -> 'required_dimensions') AS required (dimension)
        WHERE NOT EXISTS (SELECT FROM public.findings f WHERE f.evidence_id = NEW.evidence_id
            AND f.id = ANY (NEW.finding_ids) AND f.dimension = required.dimension)
    ) OR EXISTS (
        SELECT FROM unnest(NEW.finding_ids) AS named (id)
        WHERE NOT EXISTS (SELECT FROM public.findings f WHERE f.id = named.id AND f.evidence_id = NEW.evidence_id)
    ) THEN
        RAISE EXCEPTION 'a verdict rests on the item''s findings, one on each dimension that the policy requires'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_verdict_complete';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER finding_citations_guarded BEFORE INSERT ON finding_citations
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_citation();
CREATE TRIGGER finding_citations_fixed BEFORE UPDATE OR DELETE ON finding_citations
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER finding_citations_refuse_truncate BEFORE TRUNCATE ON finding_citations
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER finding_drafts_guarded BEFORE INSERT OR UPDATE ON finding_drafts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_draft();
CREATE CONSTRAINT TRIGGER verdicts_whole AFTER INSERT ON verdicts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_guard_verdict_complete();
GRANT SELECT, INSERT ON finding_citations TO exhibit_app;
GRANT SELECT, INSERT, DELETE ON finding_drafts TO exhibit_app;
GRANT UPDATE (content, version, saved_at) ON finding_drafts TO exhibit_app;
GRANT UPDATE (sources, latitude_microdegrees, longitude_microdegrees) ON findings TO exhibit_app;
"""
PERMIT = """
DROP TRIGGER findings_fixed ON findings;
CREATE TRIGGER findings_fixed BEFORE UPDATE OR DELETE ON findings
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure({columns});
"""

DROP = """
DROP TRIGGER verdicts_whole ON verdicts;
DROP TABLE finding_drafts, finding_citations;
DROP FUNCTION exhibit_guard_citation(), exhibit_guard_draft(), exhibit_guard_verdict_complete();
ALTER TABLE findings DROP CONSTRAINT ck_findings_precision_fits, DROP COLUMN latitude_microdegrees,
    DROP COLUMN longitude_microdegrees, DROP COLUMN sources;
"""


def upgrade() -> None:
    for script in (TABLES, FUNCTIONS, TRIGGERS):
        op.execute(script)
    op.execute(PERMIT.format(columns=_listed(*BEFORE, *ERASABLE["findings"])))


def downgrade() -> None:
    op.execute(PERMIT.format(columns=_listed(*BEFORE)))
    op.execute(DROP)


def _listed(*columns: str) -> str:
    return ", ".join(f"'{column}'" for column in columns)
