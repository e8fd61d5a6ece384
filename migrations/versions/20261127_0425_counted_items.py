"""What figures count of items: each verified item, alone and in each incident in whose figures it counts, with the acts
from which and until which it was verified, and linked. Decision 0053."""

from alembic import op

revision = "r112_counted_items"
down_revision = "r118_recycled_both_ways"
branch_labels = None
depends_on = None

METHODS = (
    *("reverse_image_search", "landmark_match", "satellite_match", "street_imagery", "shadow_analysis"),
    *("weather_check", "upload_time", "metadata", "language_audio", "source_contact", "munition_remnant"),
    *("cross_footage", "field_visit", "witness_statement"),
)
"""Each a bit, from the lowest."""

TABLE = """
CREATE TABLE counted_items (
    evidence_id uuid NOT NULL CONSTRAINT fk_counted_items_evidence_id_evidence REFERENCES evidence (id),
    number integer NOT NULL,
    case_id uuid NOT NULL CONSTRAINT fk_counted_items_case_id_cases REFERENCES cases (id),
    incident_id uuid CONSTRAINT fk_counted_items_incident_id_incidents REFERENCES incidents (id),
    link_id uuid CONSTRAINT fk_counted_items_link_id_incident_evidence REFERENCES incident_evidence (id),
    verdict_id uuid NOT NULL CONSTRAINT fk_counted_items_verdict_id_verdicts REFERENCES verdicts (id),
    blob_sha256 bytea NOT NULL,
    media_kind text,
    methods integer NOT NULL,
    verified_act bigint NOT NULL,
    verified_until bigint,
    linked_act bigint NOT NULL,
    linked_until bigint,
    CONSTRAINT pk_counted_items PRIMARY KEY (evidence_id, number),
    CONSTRAINT ck_counted_items_in_incident_by_link CHECK ((incident_id IS NULL) = (link_id IS NULL))
);
CREATE INDEX ix_counted_items_case_id ON counted_items (case_id) WHERE incident_id IS NULL;
CREATE INDEX ix_counted_items_incident_id ON counted_items (incident_id);

CREATE FUNCTION exhibit_methods(findings uuid[]) RETURNS integer LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(bit_or(1 << (array_position(ARRAY[{methods}], m.method) - 1)), 0)
    FROM public.findings f CROSS JOIN LATERAL unnest(f.methods) AS m (method) WHERE f.id = ANY (findings)
$$;

-- Of one item: every time at which it was verified, with every link by which it is counted. Both may have ended: what
-- of it stood at a position is asked of its acts, which is not the order in which they came.
CREATE FUNCTION exhibit_count_item(item uuid, verified bigint, made_link uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.counted_items (evidence_id, number, case_id, incident_id, link_id, verdict_id, blob_sha256,
        media_kind, methods, verified_act, verified_until, linked_act, linked_until)
    SELECT t.evidence_id,
        (SELECT coalesce(max(number), 0) FROM public.counted_items n WHERE n.evidence_id = item)
            + row_number() OVER (ORDER BY t.number, l.linked_at, l.id),
        t.case_id, l.incident_id, l.id, t.verdict_id, t.blob_sha256, t.media_kind, t.methods,
        t.verified_act, t.verified_until, l.act, l.unlinked_act
    FROM public.counted_items t
    JOIN public.verdicts v ON v.id = t.verdict_id
    JOIN public.incident_evidence l ON l.evidence_id = t.evidence_id AND l.counted
        AND (v.incident_id IS NULL OR v.incident_id = l.incident_id)
    WHERE t.evidence_id = item AND t.incident_id IS NULL
        AND (verified IS NULL OR (t.verified_act = verified AND t.verified_until IS NULL))
        AND (made_link IS NULL OR l.id = made_link);
END $$;

CREATE FUNCTION exhibit_count_verified() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    acting bigint := public.exhibit_act();
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'signed_off' THEN
        UPDATE public.counted_items SET verified_until = acting WHERE evidence_id = NEW.id AND verified_until IS NULL;
    END IF;
    IF NEW.state = 'signed_off' THEN
        INSERT INTO public.counted_items (evidence_id, number, case_id, verdict_id, blob_sha256, media_kind, methods,
            verified_act, linked_act)
        SELECT NEW.id, (SELECT coalesce(max(number), 0) + 1 FROM public.counted_items n WHERE n.evidence_id = NEW.id),
            NEW.case_id, v.id, NEW.blob_sha256, b.kind, public.exhibit_methods(v.finding_ids), acting, acting
        FROM (SELECT id, outcome, finding_ids FROM public.verdicts WHERE evidence_id = NEW.id
            ORDER BY version DESC LIMIT 1) v
        JOIN public.blobs b ON b.sha256 = NEW.blob_sha256 WHERE v.outcome = 'verified';
        PERFORM public.exhibit_count_item(NEW.id, acting, NULL);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_count_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Against whoever signs it off or reopens it meanwhile: one of the two sees what the other did.
    PERFORM FROM public.evidence WHERE id = NEW.evidence_id FOR NO KEY UPDATE;
    IF TG_OP = 'INSERT' THEN
        PERFORM public.exhibit_count_item(NEW.evidence_id, NULL, NEW.id);
    ELSE
        UPDATE public.counted_items SET linked_until = NEW.unlinked_act WHERE evidence_id = NEW.evidence_id
            AND link_id = NEW.id;
    END IF;
    RETURN NULL;
END $$;
"""

PRESENT = """
INSERT INTO counted_items (evidence_id, number, case_id, verdict_id, blob_sha256, media_kind, methods, verified_act,
    verified_until, linked_act)
SELECT e.id, row_number() OVER (PARTITION BY e.id ORDER BY s.from_number), e.case_id, v.id, e.blob_sha256, b.kind,
    exhibit_methods(v.finding_ids), s.act, s.until_act, s.act
FROM (
    SELECT id, min(number) AS from_number, (array_agg(act ORDER BY number))[1] AS act,
        (array_agg(until_act ORDER BY number DESC))[1] AS until_act
    FROM (SELECT id, number, act, until_act, number - row_number() OVER (PARTITION BY id ORDER BY number) AS run
        FROM evidence_versions WHERE state = 'signed_off') signed
    GROUP BY id, run
) s
JOIN evidence_versions r ON r.id = s.id AND r.number = s.from_number
JOIN evidence e ON e.id = s.id
JOIN blobs b ON b.sha256 = e.blob_sha256
-- A verdict of a later round came after this signing off; of one round several are signed off never.
JOIN LATERAL (SELECT id, outcome, finding_ids FROM verdicts WHERE evidence_id = e.id AND round <= r.round
    ORDER BY version DESC LIMIT 1) v ON v.outcome = 'verified';
SELECT exhibit_count_item(id, NULL, NULL) FROM (SELECT DISTINCT evidence_id AS id FROM counted_items) counted;
"""

TRIGGERS = """
CREATE TRIGGER evidence_counted AFTER INSERT ON evidence
    FOR EACH ROW WHEN (NEW.state = 'signed_off') EXECUTE FUNCTION exhibit_count_verified();
CREATE TRIGGER evidence_counted_anew AFTER UPDATE OF state ON evidence
    FOR EACH ROW WHEN ((OLD.state = 'signed_off') <> (NEW.state = 'signed_off'))
    EXECUTE FUNCTION exhibit_count_verified();
CREATE TRIGGER incident_evidence_counted AFTER INSERT ON incident_evidence
    FOR EACH ROW WHEN (NEW.counted) EXECUTE FUNCTION exhibit_count_link();
CREATE TRIGGER incident_evidence_counted_no_more AFTER UPDATE ON incident_evidence
    FOR EACH ROW WHEN (NEW.counted AND OLD.unlinked_at IS NULL AND NEW.unlinked_at IS NOT NULL)
    EXECUTE FUNCTION exhibit_count_link();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON counted_items FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON counted_items FOR EACH STATEMENT
    EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT ON counted_items TO exhibit_app;

CREATE INDEX ix_evidence_versions_sexual_violence ON evidence_versions (id)
    WHERE CAST(labels ->> 'sexual_violence' AS boolean);

ALTER TABLE case_policies ADD COLUMN act bigint NOT NULL DEFAULT 0;
ALTER TABLE case_policies ALTER COLUMN act DROP DEFAULT;
CREATE TRIGGER case_policies_stamped BEFORE INSERT ON case_policies FOR EACH ROW EXECUTE FUNCTION exhibit_stamp();
"""

DOWN = """
DROP TRIGGER case_policies_stamped ON case_policies;
ALTER TABLE case_policies DROP COLUMN act;
DROP INDEX ix_evidence_versions_sexual_violence;
DROP TRIGGER incident_evidence_counted_no_more ON incident_evidence;
DROP TRIGGER incident_evidence_counted ON incident_evidence;
DROP TRIGGER evidence_counted_anew ON evidence;
DROP TRIGGER evidence_counted ON evidence;
DROP TABLE counted_items;
DROP FUNCTION exhibit_count_link(), exhibit_count_verified(), exhibit_count_item(uuid, bigint, uuid),
    exhibit_methods(uuid[]);
"""


def upgrade() -> None:
    op.execute(TABLE.format(methods=", ".join(f"'{method}'" for method in METHODS)))
    op.execute(PRESENT)
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(DOWN)
