"""Everything that figures count of items, written anew: what a restore needs that left ``counted_items`` out."""

from alembic import op

revision = "r112b_count_items_anew"
down_revision = "r118b_vault_keys"
branch_labels = None
depends_on = None

UP = """
CREATE FUNCTION exhibit_count_items() RETURNS void LANGUAGE sql
SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.counted_items (evidence_id, number, case_id, verdict_id, blob_sha256, media_kind, methods,
        verified_act, verified_until, linked_act)
    SELECT e.id, row_number() OVER (PARTITION BY e.id ORDER BY s.from_number), e.case_id, v.id, e.blob_sha256, b.kind,
        public.exhibit_methods(v.finding_ids), s.act, s.until_act, s.act
    FROM (
        SELECT id, min(number) AS from_number, (array_agg(act ORDER BY number))[1] AS act,
            (array_agg(until_act ORDER BY number DESC))[1] AS until_act
        FROM (SELECT id, number, act, until_act, number - row_number() OVER (PARTITION BY id ORDER BY number) AS run
            FROM public.evidence_versions WHERE state = 'signed_off') signed
        GROUP BY id, run
    ) s
    JOIN public.evidence_versions r ON r.id = s.id AND r.number = s.from_number
    JOIN public.evidence e ON e.id = s.id
    JOIN public.blobs b ON b.sha256 = e.blob_sha256
    JOIN LATERAL (SELECT id, outcome, finding_ids FROM public.verdicts WHERE evidence_id = e.id AND round <= r.round
        ORDER BY version DESC LIMIT 1) v ON v.outcome = 'verified';
    INSERT INTO public.counted_items (evidence_id, number, case_id, incident_id, link_id, verdict_id, blob_sha256,
        media_kind, methods, verified_act, verified_until, linked_act, linked_until)
    SELECT t.evidence_id,
        m.last + row_number() OVER (PARTITION BY t.evidence_id ORDER BY t.number, l.linked_at, l.id), t.case_id,
        l.incident_id, l.id, t.verdict_id, t.blob_sha256, t.media_kind, t.methods, t.verified_act, t.verified_until,
        l.act, l.unlinked_act
    FROM public.counted_items t
    JOIN (SELECT evidence_id, max(number) AS last FROM public.counted_items GROUP BY evidence_id) m USING (evidence_id)
    JOIN public.verdicts v ON v.id = t.verdict_id
    JOIN public.incident_evidence l ON l.evidence_id = t.evidence_id AND l.counted
        AND (v.incident_id IS NULL OR v.incident_id = l.incident_id)
    WHERE t.incident_id IS NULL;
$$;
REVOKE ALL ON FUNCTION exhibit_count_items() FROM PUBLIC;
COMMENT ON FUNCTION exhibit_count_items() IS 'Fills counted_items, which is empty, from what it is made of.';
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP FUNCTION exhibit_count_items()")
