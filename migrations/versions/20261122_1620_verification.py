"""Incidents and their links to items; findings, verdicts, reviews; and the separation of persons, held by triggers."""

from alembic import op

revision = "r05_verification"
down_revision = "r04_evidence"
branch_labels = None
depends_on = None

INCIDENT_TABLES = """
CREATE TABLE incidents (
    id uuid NOT NULL CONSTRAINT pk_incidents PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_incidents_case_id_cases REFERENCES cases (id),
    code text NOT NULL,
    title text NOT NULL,
    kind text NOT NULL CONSTRAINT ck_incidents_kind_word CHECK (kind IN ('air_strike', 'missile_strike', 'artillery',
        'drone', 'shooting', 'detention', 'torture', 'sexual_violence', 'unlawful_killing', 'other')),
    occurred_from timestamptz,
    occurred_to timestamptz,
    occurred_zone text,
    occurred_basis text,
    place_name text,
    latitude_microdegrees integer CONSTRAINT ck_incidents_latitude
        CHECK (latitude_microdegrees BETWEEN -90000000 AND 90000000),
    longitude_microdegrees integer CONSTRAINT ck_incidents_longitude
        CHECK (longitude_microdegrees BETWEEN -180000000 AND 180000000),
    place_precision text CONSTRAINT ck_incidents_place_precision_word
        CHECK (place_precision IN ('exact', 'vicinity', 'locality', 'area', 'country', 'none')),
    administrative_units text[] NOT NULL,
    created_by uuid NOT NULL CONSTRAINT fk_incidents_created_by_accounts REFERENCES accounts (id),
    created_at timestamptz NOT NULL,
    version integer NOT NULL,
    CONSTRAINT uq_incidents_code UNIQUE (case_id, code),
    CONSTRAINT ck_incidents_point_complete
        CHECK ((latitude_microdegrees IS NULL) = (longitude_microdegrees IS NULL)),
    CONSTRAINT ck_incidents_interval_in_order CHECK (occurred_from <= occurred_to),
    CONSTRAINT ck_incidents_interval_complete CHECK ((occurred_from IS NULL) = (occurred_to IS NULL)
        AND (occurred_from IS NULL) = (occurred_zone IS NULL) AND (occurred_from IS NULL) = (occurred_basis IS NULL))
);
CREATE INDEX ix_incidents_case_id_created_at_id ON incidents (case_id, created_at, id);

CREATE TABLE incident_evidence (
    id uuid NOT NULL CONSTRAINT pk_incident_evidence PRIMARY KEY,
    incident_id uuid NOT NULL CONSTRAINT fk_incident_evidence_incident_id_incidents REFERENCES incidents (id),
    evidence_id uuid NOT NULL CONSTRAINT fk_incident_evidence_evidence_id_evidence REFERENCES evidence (id),
    depicts boolean NOT NULL,
    segment_from_ms bigint,
    segment_to_ms bigint,
    counted boolean NOT NULL,
    note text,
    linked_by uuid NOT NULL CONSTRAINT fk_incident_evidence_linked_by_accounts REFERENCES accounts (id),
    linked_at timestamptz NOT NULL,
    unlinked_by uuid CONSTRAINT fk_incident_evidence_unlinked_by_accounts REFERENCES accounts (id),
    unlinked_at timestamptz,
    unlink_reason text,
    CONSTRAINT ck_incident_evidence_segment_in_order
        CHECK (segment_from_ms >= 0 AND segment_from_ms < segment_to_ms),
    CONSTRAINT ck_incident_evidence_segment_complete CHECK ((segment_from_ms IS NULL) = (segment_to_ms IS NULL)),
    CONSTRAINT ck_incident_evidence_unlinking_complete CHECK ((unlinked_at IS NULL) = (unlinked_by IS NULL)
        AND (unlinked_at IS NULL) = (unlink_reason IS NULL))
);
CREATE UNIQUE INDEX uq_incident_evidence_live ON incident_evidence (incident_id, evidence_id)
    WHERE unlinked_at IS NULL;
CREATE INDEX ix_incident_evidence_evidence_id ON incident_evidence (evidence_id);
CREATE INDEX ix_incident_evidence_incident_id_linked_at_id ON incident_evidence (incident_id, linked_at, id);
"""

VERIFICATION_TABLES = """
CREATE TABLE findings (
    id uuid NOT NULL CONSTRAINT pk_findings PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_findings_evidence_id_evidence REFERENCES evidence (id),
    round integer NOT NULL,
    number integer NOT NULL,
    dimension text NOT NULL CONSTRAINT ck_findings_dimension_word CHECK (dimension IN ('provenance', 'source', 'date',
        'location', 'content', 'technical', 'motivation')),
    result text NOT NULL CONSTRAINT ck_findings_result_word CHECK (result IN ('established', 'partly_established',
        'not_established', 'contradicted', 'not_applicable')),
    confidence text NOT NULL CONSTRAINT ck_findings_confidence_word
        CHECK (confidence IN ('high', 'moderate', 'low')),
    place_precision text CONSTRAINT ck_findings_place_precision_word
        CHECK (place_precision IN ('exact', 'vicinity', 'locality', 'area', 'country', 'none')),
    time_from timestamptz,
    time_to timestamptz,
    time_zone text,
    time_basis text,
    methods text[] NOT NULL CONSTRAINT ck_findings_methods_words CHECK (methods <@ ARRAY['reverse_image_search',
        'landmark_match', 'satellite_match', 'street_imagery', 'shadow_analysis', 'weather_check', 'upload_time',
        'metadata', 'language_audio', 'source_contact', 'munition_remnant', 'cross_footage', 'field_visit',
        'witness_statement']::text[]),
    rationale text NOT NULL CONSTRAINT ck_findings_rationale_given CHECK (rationale <> ''),
    "references" text[] NOT NULL,
    supersedes uuid CONSTRAINT fk_findings_supersedes_findings REFERENCES findings (id),
    author_id uuid NOT NULL CONSTRAINT fk_findings_author_id_accounts REFERENCES accounts (id),
    recorded_at timestamptz NOT NULL,
    CONSTRAINT uq_findings_number UNIQUE (evidence_id, number),
    CONSTRAINT uq_findings_supersedes UNIQUE (supersedes),
    CONSTRAINT ck_findings_time_in_order CHECK (time_from <= time_to),
    CONSTRAINT ck_findings_time_complete CHECK ((time_from IS NULL) = (time_to IS NULL)
        AND (time_from IS NULL) = (time_zone IS NULL) AND (time_from IS NULL) = (time_basis IS NULL))
);

CREATE TABLE verdicts (
    id uuid NOT NULL CONSTRAINT pk_verdicts PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_verdicts_evidence_id_evidence REFERENCES evidence (id),
    round integer NOT NULL,
    version integer NOT NULL,
    outcome text NOT NULL CONSTRAINT ck_verdicts_outcome_word CHECK (outcome IN ('verified', 'partially_verified',
        'inconclusive', 'misattributed', 'manipulated', 'excluded')),
    rationale text NOT NULL CONSTRAINT ck_verdicts_rationale_given CHECK (rationale <> ''),
    incident_id uuid CONSTRAINT fk_verdicts_incident_id_incidents REFERENCES incidents (id),
    finding_ids uuid[] NOT NULL,
    policy_version integer NOT NULL,
    signature_mode text NOT NULL CONSTRAINT ck_verdicts_signature_mode_word CHECK (signature_mode IN ('none')),
    self_reviewed boolean NOT NULL CONSTRAINT ck_verdicts_never_self_reviewed CHECK (NOT self_reviewed),
    supersedes uuid CONSTRAINT fk_verdicts_supersedes_verdicts REFERENCES verdicts (id),
    author_id uuid NOT NULL CONSTRAINT fk_verdicts_author_id_accounts REFERENCES accounts (id),
    submitted_at timestamptz NOT NULL,
    CONSTRAINT uq_verdicts_version UNIQUE (evidence_id, version),
    CONSTRAINT uq_verdicts_supersedes UNIQUE (supersedes),
    CONSTRAINT uq_verdicts_id_evidence_id UNIQUE (id, evidence_id),
    CONSTRAINT ck_verdicts_supersedes_the_one_before CHECK ((version = 1) = (supersedes IS NULL))
);

CREATE TABLE verdict_withdrawals (
    verdict_id uuid NOT NULL CONSTRAINT pk_verdict_withdrawals PRIMARY KEY,
    evidence_id uuid NOT NULL,
    withdrawn_by uuid NOT NULL CONSTRAINT fk_verdict_withdrawals_withdrawn_by_accounts REFERENCES accounts (id),
    withdrawn_at timestamptz NOT NULL,
    CONSTRAINT fk_verdict_withdrawals_verdict_id_evidence_id_verdicts
        FOREIGN KEY (verdict_id, evidence_id) REFERENCES verdicts (id, evidence_id)
);

CREATE TABLE reviews (
    id uuid NOT NULL CONSTRAINT pk_reviews PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_reviews_evidence_id_evidence REFERENCES evidence (id),
    verdict_id uuid NOT NULL,
    round integer NOT NULL,
    kind text NOT NULL CONSTRAINT ck_reviews_kind_word CHECK (kind IN ('request_changes', 'concur', 'dissent',
        'adjudicate', 'sign_off', 'return', 'reopen')),
    leads_to text NOT NULL,
    comment text,
    checked_sha256 bytea CONSTRAINT ck_reviews_checked_sha256_size CHECK (octet_length(checked_sha256) = 32),
    reviewer_id uuid NOT NULL CONSTRAINT fk_reviews_reviewer_id_accounts REFERENCES accounts (id),
    reviewed_at timestamptz NOT NULL,
    CONSTRAINT fk_reviews_verdict_id_evidence_id_verdicts
        FOREIGN KEY (verdict_id, evidence_id) REFERENCES verdicts (id, evidence_id),
    CONSTRAINT uq_reviews_once UNIQUE (verdict_id, kind),
    CONSTRAINT ck_reviews_leads_on CHECK ((kind, leads_to) IN (('request_changes', 'in_verification'),
        ('concur', 'awaiting_sign_off'), ('dissent', 'disputed'), ('adjudicate', 'awaiting_sign_off'),
        ('adjudicate', 'in_verification'), ('sign_off', 'signed_off'), ('return', 'in_verification'),
        ('reopen', 'in_verification'))),
    CONSTRAINT ck_reviews_comment_given CHECK (kind IN ('concur', 'sign_off') OR coalesce(comment, '') <> ''),
    CONSTRAINT ck_reviews_sign_off_checked CHECK ((kind = 'sign_off') = (checked_sha256 IS NOT NULL))
);
CREATE UNIQUE INDEX uq_reviews_one_peer ON reviews (verdict_id)
    WHERE kind IN ('request_changes', 'concur', 'dissent');
CREATE UNIQUE INDEX uq_reviews_one_decision ON reviews (verdict_id) WHERE kind IN ('sign_off', 'return');
CREATE INDEX ix_reviews_evidence_id_reviewed_at_id ON reviews (evidence_id, reviewed_at, id);
"""

# Each takes the item's row lock first, so that none of these questions can change its answer before the commit: two
# requests of two persons about one item are decided one after the other, whatever the application does.
FUNCTIONS = """
CREATE FUNCTION exhibit_is_author(item uuid, person uuid) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.findings f WHERE f.evidence_id = item AND f.author_id = person)
        OR EXISTS (SELECT FROM public.verdicts v WHERE v.evidence_id = item AND v.author_id = person)
$$;
COMMENT ON FUNCTION exhibit_is_author(uuid, uuid) IS
    'Whether the person wrote a finding or verdict of the item, in whichever round.';

CREATE FUNCTION exhibit_guard_authorship() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    SELECT e.state, e.round, e.lease_holder INTO item FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF item.state IS DISTINCT FROM 'in_verification' OR item.round IS DISTINCT FROM NEW.round THEN
        RAISE EXCEPTION 'findings and verdicts are written in verification, in the item''s round'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_written_in_verification';
    END IF;
    IF item.lease_holder IS DISTINCT FROM NEW.author_id THEN
        RAISE EXCEPTION 'findings and verdicts are written by the holder of the lease'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_written_by_lease_holder';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_verdict() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest record;
BEGIN
    SELECT v.id, v.version INTO newest FROM public.verdicts v
        WHERE v.evidence_id = NEW.evidence_id ORDER BY v.version DESC LIMIT 1;
    IF NEW.version <> coalesce(newest.version, 0) + 1 OR NEW.supersedes IS DISTINCT FROM newest.id THEN
        RAISE EXCEPTION 'a verdict supersedes the item''s newest one, as its next version'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_verdict_supersedes_newest';
    END IF;
    IF NEW.incident_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM public.incident_evidence l WHERE l.evidence_id = NEW.evidence_id
            AND l.incident_id = NEW.incident_id AND l.unlinked_at IS NULL
    ) THEN
        RAISE EXCEPTION 'a verdict names only an incident to which its item is linked'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_verdict_incident_linked';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_link() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e JOIN public.incidents i ON i.case_id = e.case_id
        WHERE e.id = NEW.evidence_id AND i.id = NEW.incident_id AND e.state IN ('preserved', 'in_verification',
            'awaiting_peer_review', 'disputed', 'awaiting_sign_off', 'signed_off');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'only a preserved item is linked, and only to an incident of its own case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_link_within_case';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_withdrawal() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.evidence e WHERE e.id = NEW.evidence_id AND e.state = 'awaiting_peer_review' FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM public.reviews r WHERE r.verdict_id = NEW.verdict_id)
        OR NOT EXISTS (SELECT FROM public.verdicts v WHERE v.id = NEW.verdict_id AND v.author_id = NEW.withdrawn_by)
        OR EXISTS (SELECT FROM public.verdicts v WHERE v.supersedes = NEW.verdict_id)
    THEN
        RAISE EXCEPTION 'a verdict is withdrawn by its author, before any review'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_withdrawn_by_author';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_review() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    item record;
BEGIN
    SELECT e.state, e.round, e.blob_sha256 INTO item FROM public.evidence e WHERE e.id = NEW.evidence_id FOR UPDATE;
    IF item.round IS DISTINCT FROM NEW.round OR item.state IS DISTINCT FROM (CASE NEW.kind
            WHEN 'adjudicate' THEN 'disputed'
            WHEN 'sign_off' THEN 'awaiting_sign_off'
            WHEN 'return' THEN 'awaiting_sign_off'
            WHEN 'reopen' THEN 'signed_off'
            ELSE 'awaiting_peer_review' END)
        OR EXISTS (SELECT FROM public.verdicts v WHERE v.supersedes = NEW.verdict_id)
    THEN
        RAISE EXCEPTION 'a review is of the item''s present verdict, in the state that awaits it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_review_awaited';
    END IF;
    IF NEW.kind IN ('request_changes', 'concur', 'dissent', 'adjudicate', 'sign_off')
        AND public.exhibit_is_author(NEW.evidence_id, NEW.reviewer_id)
    THEN
        RAISE EXCEPTION 'nobody reviews their own work'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_no_self_review';
    END IF;
    IF NEW.kind IN ('adjudicate', 'sign_off') AND EXISTS (
        SELECT FROM public.reviews r WHERE r.evidence_id = NEW.evidence_id AND r.round = NEW.round
            AND r.reviewer_id = NEW.reviewer_id AND r.kind IN ('concur', 'dissent', 'adjudicate')
    ) THEN
        RAISE EXCEPTION 'who reviewed in this round neither adjudicates nor signs off'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_third_person';
    END IF;
    IF NEW.kind = 'sign_off' AND NEW.checked_sha256 IS DISTINCT FROM item.blob_sha256 THEN
        RAISE EXCEPTION 'a sign-off rests on a check of the item''s own bytes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_sign_off_checked';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_guard_verification_move() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present record;
    is_due boolean;
BEGIN
    SELECT v.id, v.round INTO present FROM public.verdicts v
        WHERE v.evidence_id = NEW.id ORDER BY v.version DESC LIMIT 1;
    IF OLD.state = 'preserved' THEN
        is_due := NEW.labels IS NOT NULL AND NEW.round = 1 AND NEW.lease_holder IS NOT NULL;
    ELSIF NEW.state = 'awaiting_peer_review' THEN
        is_due := present.round = NEW.round
            AND NOT EXISTS (SELECT FROM public.reviews r WHERE r.verdict_id = present.id)
            AND NOT EXISTS (SELECT FROM public.verdict_withdrawals w WHERE w.verdict_id = present.id);
    ELSIF OLD.state = 'awaiting_peer_review' AND NEW.state = 'in_verification'
        AND EXISTS (SELECT FROM public.verdict_withdrawals w WHERE w.verdict_id = present.id)
    THEN
        is_due := true;
    ELSE
        is_due := EXISTS (
            SELECT FROM public.reviews r
            WHERE r.verdict_id = present.id AND r.leads_to = NEW.state AND OLD.state = CASE r.kind
                WHEN 'adjudicate' THEN 'disputed'
                WHEN 'sign_off' THEN 'awaiting_sign_off'
                WHEN 'return' THEN 'awaiting_sign_off'
                WHEN 'reopen' THEN 'signed_off'
                ELSE 'awaiting_peer_review' END);
    END IF;
    IF NEW.round <> OLD.round + (OLD.state IN ('preserved', 'signed_off'))::integer THEN
        is_due := false;
    END IF;
    IF is_due IS NOT TRUE THEN
        RAISE EXCEPTION 'the item cannot move from % to % without the verdict or review that leads there',
            OLD.state, NEW.state
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_has_cause';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_unlink_once() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.unlinked_at IS NOT NULL OR NEW.unlinked_at IS NULL
        OR to_jsonb(NEW) - ARRAY['unlinked_at', 'unlinked_by', 'unlink_reason']
            <> to_jsonb(OLD) - ARRAY['unlinked_at', 'unlinked_by', 'unlink_reason']
    THEN
        RAISE EXCEPTION 'a link is ended once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_unlink_once';
    END IF;
    RETURN NEW;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER findings_guarded BEFORE INSERT ON findings
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_authorship();
CREATE TRIGGER verdicts_guarded BEFORE INSERT ON verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_authorship();
CREATE TRIGGER verdicts_supersede BEFORE INSERT ON verdicts
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_verdict();
CREATE TRIGGER incident_evidence_guarded BEFORE INSERT ON incident_evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_link();
CREATE TRIGGER verdict_withdrawals_guarded BEFORE INSERT ON verdict_withdrawals
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_withdrawal();
CREATE TRIGGER reviews_guarded BEFORE INSERT ON reviews
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_review();
CREATE TRIGGER incident_evidence_unlinked BEFORE UPDATE ON incident_evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_unlink_once();
CREATE TRIGGER incident_evidence_kept BEFORE DELETE ON incident_evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER incidents_kept BEFORE DELETE ON incidents
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER evidence_verification_moves AFTER UPDATE OF state ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.state IS DISTINCT FROM NEW.state AND NEW.state IN ('in_verification', 'awaiting_peer_review',
        'disputed', 'awaiting_sign_off', 'signed_off'))
    EXECUTE FUNCTION exhibit_guard_verification_move();
CREATE CONSTRAINT TRIGGER evidence_lease_needs_entry AFTER UPDATE OF lease_expires_at ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
CREATE CONSTRAINT TRIGGER incidents_need_entry AFTER INSERT OR UPDATE ON incidents
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
CREATE CONSTRAINT TRIGGER incident_evidence_needs_item_entry AFTER INSERT OR UPDATE ON incident_evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER incident_evidence_needs_incident_entry AFTER INSERT OR UPDATE ON incident_evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('incident_id');
"""

NEVER_EDITED = ("findings", "verdicts", "verdict_withdrawals", "reviews")

FIX = """
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER {table}_need_entry AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
"""

GRANTS = """
GRANT SELECT, INSERT ON incidents, incident_evidence, findings, verdicts, verdict_withdrawals, reviews TO exhibit_app;
GRANT UPDATE (code, title, kind, occurred_from, occurred_to, occurred_zone, occurred_basis, place_name,
    latitude_microdegrees, longitude_microdegrees, place_precision, administrative_units, version)
    ON incidents TO exhibit_app;
GRANT UPDATE (unlinked_by, unlinked_at, unlink_reason) ON incident_evidence TO exhibit_app;
"""

DROP = """
DROP TRIGGER evidence_verification_moves ON evidence;
DROP TRIGGER evidence_lease_needs_entry ON evidence;
DROP TABLE reviews, verdict_withdrawals, verdicts, findings, incident_evidence, incidents;
DROP FUNCTION exhibit_guard_authorship(), exhibit_guard_verdict(), exhibit_guard_link(), exhibit_guard_withdrawal(),
    exhibit_guard_review(), exhibit_guard_verification_move(), exhibit_unlink_once(), exhibit_is_author(uuid, uuid);
"""


def upgrade() -> None:
    for script in (INCIDENT_TABLES, VERIFICATION_TABLES, FUNCTIONS, TRIGGERS):
        op.execute(script)
    for table in NEVER_EDITED:
        op.execute(FIX.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    op.execute(DROP)
