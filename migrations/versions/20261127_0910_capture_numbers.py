"""What figures group copies by is a number of 8 bytes, and what people decided of copies stands where it is counted
from: in a narrow table, with the numbers of both. Decision 0067."""

from alembic import op

revision = "r123"
down_revision = "r120_lost_matches"
branch_labels = None
depends_on = None

NUMBERS = """
ALTER TABLE blobs ADD COLUMN number bigint NOT NULL GENERATED ALWAYS AS IDENTITY;
ALTER TABLE blobs ADD CONSTRAINT uq_blobs_number UNIQUE (number);

-- `item`: an item while it is verified, which its links name too.
CREATE SEQUENCE counted_item_numbers;
ALTER TABLE counted_items ADD COLUMN item bigint, ADD COLUMN capture bigint;
ALTER TABLE counted_items DISABLE TRIGGER refuse_change;
UPDATE counted_items c SET capture = b.number, item = nextval('counted_item_numbers') FROM blobs b
    WHERE b.sha256 = c.blob_sha256 AND c.incident_id IS NULL;
UPDATE counted_items c SET capture = t.capture, item = t.item FROM counted_items t
    WHERE c.incident_id IS NOT NULL AND t.incident_id IS NULL AND t.evidence_id = c.evidence_id
        AND t.verified_act = c.verified_act;
ALTER TABLE counted_items ENABLE TRIGGER refuse_change;
ALTER TABLE counted_items ALTER COLUMN item SET NOT NULL, ALTER COLUMN capture SET NOT NULL,
    DROP COLUMN blob_sha256;

-- Everything that is counted lies in these two: a figure reads no row of the table, which is as wide again.
DROP INDEX ix_counted_items_case_id, ix_counted_items_incident_id;
CREATE INDEX ix_counted_items_alone ON counted_items (case_id, evidence_id)
    INCLUDE (verdict_id, item, capture, media_kind, methods, verified_act, verified_until) WHERE incident_id IS NULL;
CREATE INDEX ix_counted_items_linked ON counted_items (case_id, incident_id)
    INCLUDE (evidence_id, verdict_id, item, capture, media_kind, methods, verified_act, verified_until,
        linked_act, linked_until) WHERE incident_id IS NOT NULL;
DROP INDEX ix_evidence_versions_sexual_violence;
CREATE INDEX ix_evidence_versions_sexual_violence ON evidence_versions (id) INCLUDE (act, until_act)
    WHERE CAST(labels ->> 'sexual_violence' AS boolean);
CREATE INDEX ix_evidence_versions_blind ON evidence_versions (id) INCLUDE (act, until_act, blind_since)
    WHERE blind = 'pending';
"""

COUNT = """
CREATE OR REPLACE FUNCTION exhibit_count_item(item uuid, verified bigint, made_link uuid) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.counted_items (evidence_id, number, case_id, incident_id, link_id, verdict_id, {columns},
        media_kind, methods, verified_act, verified_until, linked_act, linked_until)
    SELECT t.evidence_id,
        (SELECT coalesce(max(number), 0) FROM public.counted_items n WHERE n.evidence_id = exhibit_count_item.item)
            + row_number() OVER (ORDER BY t.number, l.linked_at, l.id),
        t.case_id, l.incident_id, l.id, t.verdict_id, {of_counted}, t.media_kind, t.methods,
        t.verified_act, t.verified_until, l.act, l.unlinked_act
    FROM public.counted_items t
    JOIN public.verdicts v ON v.id = t.verdict_id
    JOIN public.incident_evidence l ON l.evidence_id = t.evidence_id AND l.counted
        AND (v.incident_id IS NULL OR v.incident_id = l.incident_id)
    WHERE t.evidence_id = exhibit_count_item.item AND t.incident_id IS NULL
        AND (verified IS NULL OR (t.verified_act = verified AND t.verified_until IS NULL))
        AND (made_link IS NULL OR l.id = made_link);
END $$;

CREATE OR REPLACE FUNCTION exhibit_count_verified() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    acting bigint := public.exhibit_act();
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = 'signed_off' THEN
        UPDATE public.counted_items SET verified_until = acting WHERE evidence_id = NEW.id AND verified_until IS NULL;
    END IF;
    IF NEW.state = 'signed_off' THEN
        INSERT INTO public.counted_items (evidence_id, number, case_id, verdict_id, {columns}, media_kind, methods,
            verified_act, linked_act)
        SELECT NEW.id, (SELECT coalesce(max(number), 0) + 1 FROM public.counted_items n WHERE n.evidence_id = NEW.id),
            NEW.case_id, v.id, {of_blob}, b.kind, public.exhibit_methods(v.finding_ids), acting, acting
        FROM (SELECT id, outcome, finding_ids FROM public.verdicts WHERE evidence_id = NEW.id
            ORDER BY version DESC LIMIT 1) v
        JOIN public.blobs b ON b.sha256 = NEW.blob_sha256 WHERE v.outcome = 'verified';
        PERFORM public.exhibit_count_item(NEW.id, acting, NULL);
    END IF;
    RETURN NULL;
END $$;
"""

DECIDED = """
CREATE TABLE decided_captures (
    match_id uuid NOT NULL CONSTRAINT fk_decided_captures_match_id_matches REFERENCES matches (id),
    number integer NOT NULL,
    case_id uuid NOT NULL CONSTRAINT fk_decided_captures_case_id_cases REFERENCES cases (id),
    is_same boolean NOT NULL,
    evidence_id uuid NOT NULL CONSTRAINT fk_decided_captures_evidence_id_evidence REFERENCES evidence (id),
    other_id uuid NOT NULL CONSTRAINT fk_decided_captures_other_id_evidence REFERENCES evidence (id),
    capture bigint NOT NULL,
    other_capture bigint NOT NULL,
    decided_at timestamptz NOT NULL,
    act bigint NOT NULL,
    CONSTRAINT pk_decided_captures PRIMARY KEY (match_id, number)
);
CREATE INDEX ix_decided_captures_case_id ON decided_captures (case_id, match_id, number DESC)
    INCLUDE (is_same, evidence_id, other_id, capture, other_capture, decided_at, act);

CREATE FUNCTION exhibit_count_decision() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.decided_captures (match_id, number, case_id, is_same, evidence_id, other_id, capture,
        other_capture, decided_at, act)
    SELECT NEW.match_id, NEW.number, m.case_id, NEW.relation IN ('exact_copy', 'same_capture'), NEW.evidence_id,
        NEW.other_id, one.number, other.number, NEW.decided_at, NEW.act
    FROM public.matches m
    JOIN public.evidence e ON e.id = NEW.evidence_id JOIN public.blobs one ON one.sha256 = e.blob_sha256
    JOIN public.evidence f ON f.id = NEW.other_id JOIN public.blobs other ON other.sha256 = f.blob_sha256
    WHERE m.id = NEW.match_id AND m.other_case_id IS NULL AND m.tier <> 'exact' AND one.number <> other.number;
    RETURN NULL;
END $$;
CREATE TRIGGER relations_counted AFTER INSERT ON relations FOR EACH ROW EXECUTE FUNCTION exhibit_count_decision();

INSERT INTO decided_captures (match_id, number, case_id, is_same, evidence_id, other_id, capture, other_capture,
    decided_at, act)
SELECT r.match_id, r.number, m.case_id, r.relation IN ('exact_copy', 'same_capture'), r.evidence_id, r.other_id,
    one.number, other.number, r.decided_at, r.act
FROM relations r JOIN matches m ON m.id = r.match_id
JOIN evidence e ON e.id = r.evidence_id JOIN blobs one ON one.sha256 = e.blob_sha256
JOIN evidence f ON f.id = r.other_id JOIN blobs other ON other.sha256 = f.blob_sha256
WHERE m.other_case_id IS NULL AND m.tier <> 'exact' AND one.number <> other.number;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON decided_captures FOR EACH ROW
    EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON decided_captures FOR EACH STATEMENT
    EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT ON decided_captures TO exhibit_app;
"""

DOWN = """
DROP TRIGGER relations_counted ON relations;
DROP TABLE decided_captures;
DROP FUNCTION exhibit_count_decision();

DROP INDEX ix_evidence_versions_blind, ix_evidence_versions_sexual_violence, ix_counted_items_alone,
    ix_counted_items_linked;
CREATE INDEX ix_evidence_versions_sexual_violence ON evidence_versions (id)
    WHERE CAST(labels ->> 'sexual_violence' AS boolean);
ALTER TABLE counted_items ADD COLUMN blob_sha256 bytea;
ALTER TABLE counted_items DISABLE TRIGGER refuse_change;
UPDATE counted_items c SET blob_sha256 = b.sha256 FROM blobs b WHERE b.number = c.capture;
ALTER TABLE counted_items ENABLE TRIGGER refuse_change;
ALTER TABLE counted_items ALTER COLUMN blob_sha256 SET NOT NULL, DROP COLUMN capture, DROP COLUMN item;
DROP SEQUENCE counted_item_numbers;
CREATE INDEX ix_counted_items_case_id ON counted_items (case_id) WHERE incident_id IS NULL;
CREATE INDEX ix_counted_items_incident_id ON counted_items (incident_id);
ALTER TABLE blobs DROP COLUMN number;
"""


def upgrade() -> None:
    op.execute(NUMBERS)
    op.execute(
        COUNT.format(
            columns="item, capture",
            of_counted="t.item, t.capture",
            of_blob="nextval('public.counted_item_numbers'), b.number",
        )
    )
    op.execute(DECIDED)


def downgrade() -> None:
    op.execute(DOWN)
    op.execute(COUNT.format(columns="blob_sha256", of_counted="t.blob_sha256", of_blob="b.sha256"))
