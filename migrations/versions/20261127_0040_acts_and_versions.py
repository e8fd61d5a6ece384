"""What stood at a ledger position: each row names the act that made it, and rows that change keep their versions.

An act is a transaction. A signed tree holds all acts up to a number but for the late ones; docs/as-of.md.
"""

from alembic import op

revision = "r104_acts"
down_revision = "r103b_testimonies"
branch_labels = None
depends_on = None

ADDED_TO = (
    *("evidence_corrections", "lead_assessments", "findings", "verdicts", "second_verdicts", "verdict_withdrawals"),
    *("reviews", "relations", "gradings", "standards_of_proof", "classifications", "incident_evidence"),
    *("organisations", "casualty_counts", "affected_objects", "weapon_identifications", "attributions"),
    *("circumstances", "related_incidents", "territory_controls", "external_statistics"),
)
"""Tables whose rows stand from the act that adds them; a link may end besides."""

PLANNED = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit")

ACTS = """
CREATE SEQUENCE ledger_acts;
SELECT setval('ledger_acts', (SELECT coalesce(max(id), 0) + 1 FROM ledger_entries), false);
GRANT USAGE ON SEQUENCE ledger_acts TO exhibit_app;

CREATE FUNCTION exhibit_act() RETURNS bigint LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    acting text := CAST(pg_current_xact_id() AS text);
BEGIN
    IF current_setting('exhibit.acting', true) = acting THEN
        RETURN currval('public.ledger_acts');
    END IF;
    PERFORM set_config('exhibit.acting', acting, true);
    RETURN nextval('public.ledger_acts');
END $$;
COMMENT ON FUNCTION exhibit_act() IS
    'The number of the present transaction as an act: taken at its first use, the same until the transaction ends.';

CREATE FUNCTION exhibit_stamp() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.act := public.exhibit_act();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION exhibit_stamp() IS
    'On a table whose rows are only added to, and need an entry: from which act a row stands. docs/as-of.md.';

ALTER TABLE ledger_entries ADD COLUMN act bigint;
ALTER TABLE ledger_entries ALTER COLUMN act SET DEFAULT exhibit_act();
CREATE INDEX ix_ledger_entries_before_acts ON ledger_entries (id) WHERE act IS NULL;
"""

POSITIONS = """
CREATE TABLE ledger_positions (
    log_id smallint NOT NULL,
    size bigint NOT NULL,
    newest_act bigint NOT NULL,
    stands_from timestamptz NOT NULL CONSTRAINT uq_ledger_positions_stands_from UNIQUE,
    CONSTRAINT pk_ledger_positions PRIMARY KEY (log_id, size)
);
CREATE TABLE ledger_late_acts (
    act bigint NOT NULL CONSTRAINT pk_ledger_late_acts PRIMARY KEY,
    log_id smallint NOT NULL,
    idx bigint
);
INSERT INTO ledger_positions (log_id, size, newest_act, stands_from)
    SELECT c.log_id, c.size,
        (SELECT coalesce(max(e.id), 0) FROM ledger_entries e JOIN ledger_leaves l USING (commitment)),
        (SELECT max(signed_at) FROM ledger_checkpoints)
    FROM ledger_checkpoints c ORDER BY c.log_id DESC, c.size DESC LIMIT 1;

CREATE FUNCTION exhibit_place_acts() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    before public.ledger_positions;
    newest bigint;
    leaves_from bigint;
BEGIN
    SELECT * INTO before FROM public.ledger_positions p
        WHERE (p.log_id, p.size) < (NEW.log_id, NEW.size) ORDER BY p.log_id DESC, p.size DESC LIMIT 1;
    leaves_from := CASE WHEN before.log_id = NEW.log_id THEN before.size ELSE 0 END;
    -- Late: a tree that was signed before holds a greater number, or a part of the same act.
    WITH placed AS (
        SELECT l.idx,
            (SELECT coalesce(e.act, e.id) FROM public.ledger_entries e WHERE e.commitment = l.commitment) AS act
        FROM public.ledger_leaves l WHERE l.log_id = NEW.log_id AND l.idx >= leaves_from AND l.idx < NEW.size
    ), late AS (
        INSERT INTO public.ledger_late_acts (act, log_id, idx)
        SELECT p.act, NEW.log_id, max(p.idx) FROM placed p WHERE p.act <= before.newest_act GROUP BY p.act
        ON CONFLICT (act) DO UPDATE SET log_id = excluded.log_id, idx = excluded.idx
    )
    SELECT max(act) INTO newest FROM placed;
    -- Times rise, also when the clock was set back: what a time stands for never changes.
    INSERT INTO public.ledger_positions (log_id, size, newest_act, stands_from)
    VALUES (NEW.log_id, NEW.size, greatest(before.newest_act, newest, 0),
        greatest(NEW.signed_at, before.stands_from + interval '1 microsecond'))
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_note_never_placed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    present smallint := (SELECT max(id) FROM public.ledger_logs);
BEGIN
    IF present > 1 THEN
        INSERT INTO public.ledger_late_acts (act, log_id, idx)
        SELECT coalesce(e.act, e.id), max(e.log_id), NULL FROM gone JOIN public.ledger_entries e ON e.id = gone.entry_id
        WHERE e.log_id < present AND NOT EXISTS (SELECT FROM public.ledger_leaves l WHERE l.commitment = e.commitment)
        GROUP BY 1
        ON CONFLICT (act) DO UPDATE SET log_id = excluded.log_id, idx = NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER place_acts AFTER INSERT ON ledger_checkpoints FOR EACH ROW EXECUTE FUNCTION exhibit_place_acts();
CREATE TRIGGER note_never_placed AFTER DELETE ON ledger_queue REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_note_never_placed();
"""

HELD = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION {function};
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT ON {table} TO exhibit_app;
"""
"""Only triggers write these tables; an erasure empties columns of versions."""

STAMP = """
ALTER TABLE {table} ADD COLUMN act bigint NOT NULL DEFAULT 0;
ALTER TABLE {table} ALTER COLUMN act DROP DEFAULT;
CREATE TRIGGER {table}_stamped BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION exhibit_stamp();
"""
"""What was there before stands from the beginning of what is kept: 0."""

LINKS = """
ALTER TABLE incident_evidence ADD COLUMN unlinked_act bigint;
ALTER TABLE incident_evidence DISABLE TRIGGER USER;
UPDATE incident_evidence SET unlinked_act = 0 WHERE unlinked_at IS NOT NULL;
ALTER TABLE incident_evidence ENABLE TRIGGER USER;
ALTER TABLE incident_evidence ADD CONSTRAINT ck_incident_evidence_unlinked_by_act
    CHECK ((unlinked_act IS NULL) = (unlinked_at IS NULL));

CREATE FUNCTION exhibit_stamp_unlinking() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.unlinked_at IS NULL AND NEW.unlinked_at IS NOT NULL THEN
        NEW.unlinked_act := public.exhibit_act();
    END IF;
    RETURN NEW;
END $$;
-- After "incident_evidence_unlinked", which lets nothing else of a link change.
CREATE TRIGGER incident_evidence_unlinked_stamped BEFORE UPDATE ON incident_evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_stamp_unlinking();
"""

EVIDENCE = {
    "state": "text NOT NULL",
    "version": "integer NOT NULL",
    "round": "integer NOT NULL",
    "blob_sha256": "bytea",
    "fingerprint_status": "text",
    "fingerprint_reason": "text",
    "received_by": "uuid",
    "received_at": "timestamptz",
    "reason_code": "text",
    "labels": "jsonb",
    "settled_decoding": "integer NOT NULL",
    "lease_holder": "uuid",
    "lease_expires_at": "timestamptz",
    "lease_taken_at": "timestamptz",
    "assigned_to": "uuid",
    "priority": "smallint NOT NULL",
    "state_since": "timestamptz NOT NULL",
    "blind": "text",
    "blind_since": "timestamptz",
    "source_number": "integer",
}
"""What of an item changes. The rest is stated once, and no person's words are here."""

INCIDENTS = {
    "code": "text NOT NULL",
    "title": "text NOT NULL",
    "kind": "text NOT NULL",
    "occurred_from": "timestamptz",
    "occurred_to": "timestamptz",
    "occurred_zone": "text",
    "occurred_basis": "text",
    "place_name": "text",
    "latitude_microdegrees": "integer",
    "longitude_microdegrees": "integer",
    "place_precision": "text",
    "place_radius_m": "integer",
    "administrative_units": "text[] NOT NULL",
    "version": "integer NOT NULL",
    "erased": "text[] NOT NULL DEFAULT '{}'::text[]",
}
ERASABLE = {
    "incident_versions": (
        *("code", "title", "occurred_basis", "place_name", "latitude_microdegrees", "longitude_microdegrees"),
        *("administrative_units", "place_radius_m"),
    ),
}

VERSIONS = """
CREATE TABLE {versions} (
    id uuid NOT NULL CONSTRAINT fk_{versions}_id_{table} REFERENCES {table} (id),
    number integer NOT NULL CONSTRAINT ck_{versions}_number_counts CHECK (number >= 1),
    act bigint NOT NULL,
    until_act bigint,
    {declared},
    CONSTRAINT pk_{versions} PRIMARY KEY (id, number)
);
INSERT INTO {versions} (id, number, act, {columns}) SELECT id, 1, 0, {columns} FROM {table};

CREATE FUNCTION exhibit_keep_{versions}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    acting bigint := public.exhibit_act();
    last_number integer;
    last_act bigint;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        SELECT v.number, v.act INTO last_number, last_act FROM public.{versions} v
            WHERE v.id = NEW.id ORDER BY v.number DESC LIMIT 1;
        IF last_act = acting THEN  -- Several changes in one act are one.
            UPDATE public.{versions} SET ({columns}) = ROW({fresh}) WHERE id = NEW.id AND number = last_number;
            RETURN NULL;
        END IF;
        UPDATE public.{versions} SET until_act = acting WHERE id = NEW.id AND number = last_number;
    END IF;
    INSERT INTO public.{versions} (id, number, act, {columns})
    VALUES (NEW.id, coalesce(last_number, 0) + 1, acting, {fresh});
    RETURN NULL;
END $$;
CREATE TRIGGER {table}_first_version AFTER INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_keep_{versions}();
CREATE TRIGGER {table}_next_version AFTER UPDATE ON {table}
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION exhibit_keep_{versions}();
"""

ERASING = """
GRANT UPDATE ({columns}, erased) ON {table} TO exhibit_app;
CREATE CONSTRAINT TRIGGER erasure_needs_entry AFTER UPDATE OF erased ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('id');
"""

DOWN = """
DROP TRIGGER evidence_next_version ON evidence;
DROP TRIGGER evidence_first_version ON evidence;
DROP TRIGGER incidents_next_version ON incidents;
DROP TRIGGER incidents_first_version ON incidents;
DROP TABLE evidence_versions, incident_versions;
DROP FUNCTION exhibit_keep_evidence_versions(), exhibit_keep_incident_versions();
DROP TRIGGER incident_evidence_unlinked_stamped ON incident_evidence;
DROP FUNCTION exhibit_stamp_unlinking();
ALTER TABLE incident_evidence DROP COLUMN unlinked_act;
DROP TRIGGER note_never_placed ON ledger_queue;
DROP TRIGGER place_acts ON ledger_checkpoints;
DROP TABLE ledger_late_acts, ledger_positions;
DROP FUNCTION exhibit_note_never_placed(), exhibit_place_acts();
ALTER TABLE ledger_entries DROP COLUMN act;
"""


def upgrade() -> None:
    op.execute(ACTS)
    op.execute(POSITIONS)
    for setting in PLANNED:
        op.execute(f"ALTER FUNCTION exhibit_place_acts() SET {setting} = off")
    for table in ADDED_TO:
        op.execute(STAMP.format(table=table))
    op.execute(LINKS)
    for table, versions, columns in (
        ("evidence", "evidence_versions", EVIDENCE),
        ("incidents", "incident_versions", INCIDENTS),
    ):
        op.execute(
            VERSIONS.format(
                table=table,
                versions=versions,
                declared=",\n    ".join(f"{name} {kind}" for name, kind in columns.items()),
                columns=", ".join(columns),
                fresh=", ".join(f"NEW.{name}" for name in columns),
            )
        )
    for table in ("ledger_positions", "ledger_late_acts", "evidence_versions"):
        op.execute(HELD.format(table=table, function="exhibit_refuse_change()"))
    for table, erasable in ERASABLE.items():
        arguments = ", ".join(f"'{name}'" for name in erasable)
        op.execute(HELD.format(table=table, function=f"exhibit_permit_erasure({arguments})"))
        op.execute(ERASING.format(table=table, columns=", ".join(erasable)))


def downgrade() -> None:
    op.execute(DOWN)
    for table in ADDED_TO:
        op.execute(f"DROP TRIGGER {table}_stamped ON {table}")
        op.execute(f"ALTER TABLE {table} DROP COLUMN act")
    op.execute("DROP FUNCTION exhibit_stamp(), exhibit_act()")
    op.execute("DROP SEQUENCE ledger_acts")
