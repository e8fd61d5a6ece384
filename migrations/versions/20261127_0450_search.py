"""What incidents and items are searched by: one row of words and marks each, kept by triggers. docs/search.md.

The rows are what two views say, so they can be made anew at any time: ``exhibit_index_incident(id)``.
"""

from alembic import op

revision = "r113_search"
down_revision = "r117_entry_indexes"
branch_labels = None
depends_on = None

# Standing on letters: dropped. Twins in app/search/words.py; a test compares the two.
MARKS = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640"
    r"\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff"
)
# Between words, whatever the database's locale takes for a letter.
BETWEEN = (
    r"\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"
    r"\u05be\u05c0\u05c3\u05f3\u05f4\u060c\u061b\u061f\u066a-\u066d\u06d4\u0964\u0965\u104a\u104b\u2000-\u206f"
    r"\u3000-\u303f\uff5f-\uff65"
)

WORDS = f"""
CREATE FUNCTION exhibit_words(given text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT left(word, 100)), '{{}}') FROM regexp_split_to_table(
        regexp_replace(lower(normalize(given, NFKD)), '[{MARKS}]+', '', 'g'), '[{BETWEEN}]+') AS word
    WHERE word <> ''
$$;
COMMENT ON FUNCTION exhibit_words(text) IS
    'The words of a text in any script: compatibility forms resolved, in small letters, without marks.';
"""

ITEMS = """
CREATE TABLE search_items (
    id uuid NOT NULL CONSTRAINT pk_search_items PRIMARY KEY
        CONSTRAINT fk_search_items_id_evidence REFERENCES evidence (id),
    case_id uuid NOT NULL,
    at timestamptz NOT NULL,
    closed_at timestamptz,
    during tstzrange,
    words tsvector NOT NULL
);
CREATE VIEW searchable_items AS
SELECT e.id, e.case_id, e.registered_at AS at, e.closed_at,
    CASE WHEN claimed.from_ <= claimed.to_ OR num_nonnulls(claimed.from_, claimed.to_) = 1
        THEN tstzrange(claimed.from_, claimed.to_, '[]') END AS during,
    array_to_tsvector(exhibit_words(concat_ws(' ',
        nullif(e.lead_address, '[erased]'), nullif(e.lead_claim, '[erased]'), nullif(e.collector, '[erased]'),
        nullif(e.source, '[erased]'), nullif(e.source_address, '[erased]'), nullif(e.claimed_place, '[erased]'),
        nullif(e.file_name, '[erased]'), nullif(e.notes, '[erased]'), corrected.texts))
    || array_remove(ARRAY[
        ':case:' || e.case_id, ':state:' || e.state, ':kind:' || b.kind, ':fingerprint_status:' || e.fingerprint_status,
        CASE WHEN e.labels IS NULL THEN ':label:unlabelled' END, ':label:graphic_' || (e.labels ->> 'graphic_level'),
        CASE WHEN e.labels @> '{"child": true}' THEN ':label:child' END,
        CASE WHEN e.labels @> '{"sexual_violence": true}' THEN ':label:sexual_violence' END,
        CASE WHEN e.labels @> '{"distressing_audio": true}' THEN ':label:distressing_audio' END,
        ':verdict:' || judged.outcome], NULL)) AS words
FROM evidence e
LEFT JOIN blobs b ON b.sha256 = e.blob_sha256
LEFT JOIN LATERAL (
    SELECT string_agg(c.value #>> '{}', ' ') FILTER (WHERE c.field NOT IN ('acquired_at', 'claimed_from', 'claimed_to',
            'method') AND NOT 'value' = ANY (c.erased)) AS texts,
        max(c.number) FILTER (WHERE c.field = 'claimed_from') AS from_number,
        max(c.number) FILTER (WHERE c.field = 'claimed_to') AS to_number
    FROM evidence_corrections c WHERE c.evidence_id = e.id
) corrected ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN corrected.from_number IS NULL THEN e.claimed_from ELSE (
            SELECT CAST(c.value #>> '{}' AS timestamptz)
            FROM evidence_corrections c WHERE c.evidence_id = e.id AND c.number = corrected.from_number) END AS from_,
        CASE WHEN corrected.to_number IS NULL THEN e.claimed_to ELSE (
            SELECT CAST(c.value #>> '{}' AS timestamptz)
            FROM evidence_corrections c WHERE c.evidence_id = e.id AND c.number = corrected.to_number) END AS to_
) claimed
LEFT JOIN LATERAL (
    -- What nobody may see yet, of a blind round that is pending, is in no answer: not in its author's either.
    SELECT v.outcome FROM verdicts v WHERE v.evidence_id = e.id
        AND (e.blind IS DISTINCT FROM 'pending' OR v.round < e.round)
        AND NOT EXISTS (SELECT FROM verdict_withdrawals w WHERE w.verdict_id = v.id)
    ORDER BY v.version DESC LIMIT 1
) judged ON true;
"""

FACT = """
LEFT JOIN LATERAL (
    SELECT string_agg(concat_ws(' ', {texts}), ' ') AS texts, array_agg(marks.mark) AS marks,
        min(o.closed_at) AS closes_at
    FROM {table} f LEFT JOIN evidence o ON o.id = f.source_evidence_id {marks}
    WHERE f.incident_id = i.id AND NOT f.withdrawn AND (o.closed_at IS NULL OR o.closed_at > now())
        AND NOT EXISTS (SELECT FROM {table} l WHERE l.supersedes = f.id)
) {table} ON true
"""
NO_MARK = "CROSS JOIN LATERAL (SELECT NULL::text AS mark) marks"
ONE_MARK = "CROSS JOIN LATERAL (SELECT {}) marks (mark)"
PERSONS = "CASE WHEN f.maximum IS NULL OR f.maximum > 0 THEN ':protected_person:' || f.person_group END"
OBJECTS = """CROSS JOIN LATERAL (VALUES (':object_kind:' || f.object_kind),
        (CASE WHEN f.special_protection = 'protected' THEN ':protected_object:' || f.object_kind END)) marks (mark)"""
WEAPONS = """CROSS JOIN LATERAL (SELECT ':weapon:' || nullif(key, '[erased]')
        FROM unnest(ARRAY[f.reported_key, f.normalised_key]) AS keys (key)) marks (mark)"""
FACTS = {
    "casualty_counts": (("as_reported",), ONE_MARK.format(PERSONS)),
    "affected_objects": (("name", "part"), OBJECTS),
    "weapon_identifications": (("reported", "normalised"), WEAPONS),
    "circumstances": (("basis",), ONE_MARK.format("':attack_pattern:' || f.pattern")),
    "attributions": (("detail", "grounds"), NO_MARK),
}

INCIDENTS = """
CREATE TABLE search_incidents (
    id uuid NOT NULL CONSTRAINT pk_search_incidents PRIMARY KEY
        CONSTRAINT fk_search_incidents_id_incidents REFERENCES incidents (id),
    case_id uuid NOT NULL,
    at timestamptz NOT NULL,
    closes_at timestamptz,
    during tstzrange,
    latitude_microdegrees integer,
    longitude_microdegrees integer,
    words tsvector NOT NULL
);
CREATE VIEW searchable_incidents AS
SELECT i.id, i.case_id, i.created_at AS at, least({closes}) AS closes_at,
    CASE WHEN i.occurred_from IS NOT NULL THEN tstzrange(i.occurred_from, i.occurred_to, '[]') END AS during,
    i.latitude_microdegrees, i.longitude_microdegrees,
    array_to_tsvector(exhibit_words(concat_ws(' ',
        nullif(i.title, '[erased]'), CASE WHEN NOT 'code' = ANY (i.erased) THEN i.code END,
        CASE WHEN NOT 'external_reference' = ANY (i.erased) THEN i.external_reference END,
        nullif(i.place_name, '[erased]'), nullif(i.occurred_basis, '[erased]'),
        array_to_string(i.administrative_units, ' '), {texts}))
    || array_remove(ARRAY[':case:' || i.case_id, ':kind:' || i.kind, ':grading:' || graded.grade]
        || {marks} || classified.marks, NULL)) AS words
FROM incidents i
{facts}
LEFT JOIN LATERAL (
    SELECT g.grade FROM gradings g WHERE g.incident_id = i.id ORDER BY g.number DESC LIMIT 1
) graded ON true
LEFT JOIN LATERAL (
    SELECT array_agg(':provision:' || provision) AS marks
    FROM classifications c CROSS JOIN unnest(c.provisions) provision
    WHERE c.incident_id = i.id AND NOT EXISTS (SELECT FROM classifications l WHERE l.supersedes = c.id)
) classified ON true;
"""

INDEXES = """
CREATE INDEX ix_search_items_words ON search_items USING gin (words);
CREATE INDEX ix_search_items_case_id_at_id ON search_items (case_id, at, id);
CREATE INDEX ix_search_items_during ON search_items USING gist (during);
CREATE INDEX ix_incident_evidence_live_by_item ON incident_evidence (evidence_id, incident_id)
    WHERE unlinked_at IS NULL;
CREATE INDEX ix_search_incidents_words ON search_incidents USING gin (words);
CREATE INDEX ix_search_incidents_case_id_at_id ON search_incidents (case_id, at, id);
CREATE INDEX ix_search_incidents_during ON search_incidents USING gist (during);
"""

KEPT = """
CREATE FUNCTION exhibit_index_{one}({one} uuid) RETURNS void LANGUAGE sql
SET search_path = public, pg_catalog, pg_temp AS $$
    INSERT INTO search_{many} ({columns}) SELECT {columns} FROM searchable_{many} WHERE id = {one}
    ON CONFLICT (id) DO UPDATE SET ({changing}) = ROW({new})
    WHERE ({old}) IS DISTINCT FROM ({new})
$$;
CREATE FUNCTION exhibit_keep_search_{many}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.exhibit_index_{one}(CAST(to_jsonb(NEW) ->> TG_ARGV[0] AS uuid));
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION exhibit_index_{one}(uuid) FROM PUBLIC;
GRANT SELECT ON search_{many}, searchable_{many} TO exhibit_app;
INSERT INTO search_{many} ({columns}) SELECT {columns} FROM searchable_{many};
"""
TRIGGER = """
CREATE TRIGGER {table}_searched AFTER INSERT OR UPDATE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_keep_search_{many}('{column}');
"""
COLUMNS = {
    "items": ("id", "case_id", "at", "closed_at", "during", "words"),
    "incidents": (
        "id",
        "case_id",
        "at",
        "closes_at",
        "during",
        "latitude_microdegrees",
        "longitude_microdegrees",
        "words",
    ),
}
CLOSING = """
CREATE FUNCTION exhibit_index_closing() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM public.exhibit_index_incident(resting.incident_id) FROM ({resting}) AS resting;
    RETURN NULL;
END $$;
CREATE TRIGGER evidence_closing_searched AFTER UPDATE OF closed_at ON evidence FOR EACH ROW
    WHEN (OLD.closed_at IS DISTINCT FROM NEW.closed_at) EXECUTE FUNCTION exhibit_index_closing();
"""
"""Facts that rest on an item are not shown once it is closed (``app.facts.closing``), so they are not found."""

WATCHED = {
    "items": {
        "evidence": "id",
        "evidence_corrections": "evidence_id",
        "verdicts": "evidence_id",
        "verdict_withdrawals": "evidence_id",
    },
    "incidents": {
        "incidents": "id",
        **dict.fromkeys((*FACTS, "gradings", "classifications"), "incident_id"),
    },
}


def upgrade() -> None:
    op.execute(WORDS)
    op.execute(ITEMS)
    facts = [
        FACT.format(table=table, marks=marks, texts=", ".join(f"nullif(f.{text}, '[erased]')" for text in texts))
        for table, (texts, marks) in FACTS.items()
    ]
    op.execute(
        INCIDENTS.format(
            facts="".join(facts),
            texts=", ".join(f"{table}.texts" for table in FACTS),
            marks=" || ".join(f"{table}.marks" for table in FACTS),
            closes=", ".join(f"{table}.closes_at" for table in FACTS),
        )
    )
    for many, columns in COLUMNS.items():
        op.execute(
            KEPT.format(
                one=many.removesuffix("s"),
                many=many,
                columns=", ".join(columns),
                changing=", ".join(columns[3:]),
                new=", ".join(f"excluded.{column}" for column in columns[3:]),
                old=", ".join(f"search_{many}.{column}" for column in columns[3:]),
            )
        )
        for table, column in WATCHED[many].items():
            op.execute(TRIGGER.format(table=table, many=many, column=column))
    op.execute(INDEXES)
    resting = [f"SELECT incident_id FROM public.{table} WHERE source_evidence_id = NEW.id" for table in FACTS]
    op.execute(CLOSING.format(resting=" UNION ".join(resting)))
    for table in (*FACTS, "related_incidents"):
        name = f"ix_{table}_source_evidence_id"
        op.execute(f"CREATE INDEX {name} ON {table} (source_evidence_id) WHERE source_evidence_id IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP TRIGGER evidence_closing_searched ON evidence")
    op.execute("DROP FUNCTION exhibit_index_closing()")
    for table in (*FACTS, "related_incidents"):
        op.execute(f"DROP INDEX ix_{table}_source_evidence_id")
    for many, watched in WATCHED.items():
        for table in watched:
            op.execute(f"DROP TRIGGER {table}_searched ON {table}")
        op.execute(f"DROP FUNCTION exhibit_keep_search_{many}()")
        op.execute(f"DROP FUNCTION exhibit_index_{many.removesuffix('s')}(uuid)")
        op.execute(f"DROP VIEW searchable_{many}")
        op.execute(f"DROP TABLE search_{many}")
    op.execute("DROP INDEX ix_incident_evidence_live_by_item")
    op.execute("DROP FUNCTION exhibit_words(text)")
