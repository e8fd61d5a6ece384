"""Erasure: one value, or a whole entry's body, goes by a custodian's entry and in no other way.

Every table that holds what people wrote gets ``erased``: the names of its columns whose value is gone. A text then
reads ``[erased]``, anything else is empty. Frozen rows permit exactly that change, and only with its entry.
"""

from alembic import op

revision = "r25_erasure"
down_revision = "r23b_anchors_of_logs"
branch_labels = None
depends_on = None

ERASABLE = {
    "evidence": (
        *("lead_address", "lead_claim", "collector", "source", "source_address", "claimed_from", "claimed_to"),
        *("claimed_place", "file_name", "notes", "tool", "media_type_claimed"),
    ),
    "evidence_corrections": ("value", "reason"),
    "relations": ("reason",),
    "findings": ("time_basis", "rationale", "references"),
    "verdicts": ("rationale",),
    "reviews": ("comment",),
    "reviewer_key_bindings": ("checked_how",),
    "reviewer_key_revocations": ("reason",),
    "incidents": (
        *("code", "title", "occurred_basis", "place_name", "latitude_microdegrees", "longitude_microdegrees"),
        "administrative_units",
    ),
    "incident_evidence": ("note", "unlink_reason"),
    "cases": ("title", "description"),
    "accounts": ("name", "email"),
    "tokens": ("name",),
}
"""The columns of each table that hold a personal value; a test compares them with the places in the code."""

FROZEN = (
    *("evidence_corrections", "relations", "findings", "verdicts", "reviews", "reviewer_key_bindings"),
    "reviewer_key_revocations",
)
RESTATED = ("incidents", "cases", "accounts", "tokens")
"""Rows that change by other acts too: what is stated anew after an erasure is not erased."""

STREAMS = {
    "evidence": ("id",),
    "evidence_corrections": ("evidence_id",),
    "relations": ("evidence_id", "other_id"),
    "findings": ("evidence_id",),
    "verdicts": ("evidence_id",),
    "reviews": ("evidence_id",),
    "reviewer_key_bindings": ("case_id",),
    "reviewer_key_revocations": ("case_id",),
    "incidents": ("id",),
    "incident_evidence": ("evidence_id", "incident_id"),
    "cases": ("id",),
    "accounts": (None,),
    "tokens": (None,),
}
"""The columns that name the streams in which the erasure must have its entry; None: the system stream."""

TABLES = """
ALTER TABLE stored_answers ADD COLUMN is_erased boolean NOT NULL DEFAULT false;

CREATE TABLE ledger_erased_bodies (
    commitment bytea NOT NULL CONSTRAINT pk_ledger_erased_bodies PRIMARY KEY
        CONSTRAINT fk_ledger_erased_bodies_commitment_ledger_entries REFERENCES ledger_entries (commitment),
    next bytea NOT NULL CONSTRAINT ck_ledger_erased_bodies_next_size CHECK (octet_length(next) = 32)
);

CREATE TABLE erasure_requests (
    id uuid NOT NULL CONSTRAINT pk_erasure_requests PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_erasure_requests_case_id_cases REFERENCES cases (id),
    stream_id uuid NOT NULL CONSTRAINT fk_erasure_requests_stream_id_ledger_streams REFERENCES ledger_streams (id),
    seq bigint NOT NULL,
    commitment bytea NOT NULL
        CONSTRAINT fk_erasure_requests_commitment_ledger_entries REFERENCES ledger_entries (commitment),
    reason_code text NOT NULL,
    authority text NOT NULL,
    requested_by uuid NOT NULL CONSTRAINT fk_erasure_requests_requested_by_accounts REFERENCES accounts (id),
    requested_at timestamptz NOT NULL,
    decision text CONSTRAINT ck_erasure_requests_decision_word CHECK (decision IN ('approve', 'refuse')),
    decided_by uuid CONSTRAINT fk_erasure_requests_decided_by_accounts REFERENCES accounts (id),
    decided_at timestamptz,
    CONSTRAINT ck_erasure_requests_decision_complete
        CHECK ((decision IS NULL) = (decided_by IS NULL) AND (decision IS NULL) = (decided_at IS NULL)),
    CONSTRAINT ck_erasure_requests_second_person
        CHECK (decision IS DISTINCT FROM 'approve' OR decided_by <> requested_by)
);
CREATE UNIQUE INDEX uq_erasure_requests_open ON erasure_requests (commitment) WHERE decision IS NULL;
CREATE INDEX ix_erasure_requests_case_id_requested_at_id ON erasure_requests (case_id, requested_at, id);
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_is_blank(value jsonb, id text) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(value, 'null') IN ('null', '[]', '"[erased]"', coalesce(to_jsonb('[erased] ' || id), 'null'))
$$;
COMMENT ON FUNCTION exhibit_is_blank(jsonb, text) IS
    'Whether a column holds nothing, or says that it was erased (with the row''s id where it must be unique).';

CREATE FUNCTION exhibit_newly_erased(before jsonb, after jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(name), '{}') FROM (
        SELECT jsonb_array_elements_text(after -> 'erased') EXCEPT SELECT jsonb_array_elements_text(before -> 'erased')
    ) AS fresh (name)
$$;

CREATE FUNCTION exhibit_is_erasure(before jsonb, after jsonb, erasable text[]) RETURNS boolean LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT fresh <> '{}' AND fresh <@ erasable AND (before -> 'erased') <@ (after -> 'erased')
        AND before - fresh - ARRAY['erased', 'version'] = after - fresh - ARRAY['erased', 'version']
        AND NOT EXISTS (
            SELECT FROM unnest(fresh) AS name WHERE NOT public.exhibit_is_blank(after -> name, after ->> 'id'))
    FROM public.exhibit_newly_erased(before, after) AS fresh
$$;
COMMENT ON FUNCTION exhibit_is_erasure(jsonb, jsonb, text[]) IS
    'Whether a change of a row empties columns that may be erased, names them in "erased", and does nothing else.';

CREATE FUNCTION exhibit_permit_erasure() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND public.exhibit_is_erasure(to_jsonb(OLD), to_jsonb(NEW), TG_ARGV) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% on % is refused: it is only ever added to, or erased by an entry', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_refuse_change',
              TABLE = TG_TABLE_NAME;
END $$;

CREATE FUNCTION exhibit_guard_erased() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    after jsonb := to_jsonb(NEW);
BEGIN
    IF EXISTS (SELECT FROM unnest(NEW.erased) AS name WHERE NOT public.exhibit_is_blank(after -> name, after ->> 'id'))
        OR (NOT NEW.erased <@ OLD.erased AND NOT public.exhibit_is_erasure(to_jsonb(OLD), after, TG_ARGV))
    THEN
        RAISE EXCEPTION 'a change of % names as erased what is not, or does more than erase', TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_guard_erased',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION exhibit_require_erasure() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stream uuid;
BEGIN
    IF TG_NARGS = 0 THEN
        SELECT system_stream INTO stream FROM public.ledger_logs ORDER BY id DESC LIMIT 1;
    ELSE
        EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO stream USING NEW;
    END IF;
    PERFORM FROM public.ledger_entries e WHERE e.stream_id = stream AND e.xact = pg_current_xact_id()
        AND e.type IN ('evidence.erased', 'incident.erased', 'case.erased', 'system.account_erased', 'entry.erased');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'an erasure in % has no entry in stream %', TG_TABLE_NAME, stream
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_require_erasure',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

-- Whether this transaction wrote the entry that erases this value (field) or this body (no field).
CREATE FUNCTION exhibit_has_erasing_entry(erased bytea, field text) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM public.ledger_entries e
        JOIN public.ledger_entries later ON later.stream_id = e.stream_id
        JOIN public.ledger_bodies b ON b.commitment = later.commitment
        CROSS JOIN LATERAL (SELECT convert_from(b.body, 'UTF8')::jsonb -> 'data' AS data) AS d
        WHERE e.commitment = erased AND later.xact = pg_current_xact_id() AND later.id > e.id
            AND d.data ->> 'commitment' = encode(erased, 'hex')
            AND (later.type = 'entry.erased' OR (d.data ->> 'field' = field AND later.type IN
                ('evidence.erased', 'incident.erased', 'case.erased', 'system.account_erased'))))
$$;

CREATE FUNCTION exhibit_disclosure_erased() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT public.exhibit_has_erasing_entry(OLD.commitment, OLD.field) THEN
        RAISE EXCEPTION 'a disclosure goes only with the entry that erases it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_disclosure_erased';
    END IF;
    RETURN NULL;
END $$;

-- With the owner's rights: the application may not write what stands in for a body.
CREATE FUNCTION exhibit_keep_next() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.ledger_erased_bodies (commitment, next)
    VALUES (OLD.commitment, decode(convert_from(OLD.body, 'UTF8')::jsonb ->> 'next', 'hex'));
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_body_erased() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT public.exhibit_has_erasing_entry(OLD.commitment, NULL)
        OR EXISTS (SELECT FROM public.ledger_bodies b WHERE b.commitment = OLD.commitment)
        OR EXISTS (SELECT FROM public.ledger_disclosures d WHERE d.commitment = OLD.commitment)
    THEN
        RAISE EXCEPTION 'a body goes only with the entry that erases it, and with all that opens its fields'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;
    -- The acts by which others are judged stay readable: what was registered, linked, exported, erased.
    IF EXISTS (
        SELECT FROM public.ledger_entries e
        WHERE e.commitment = OLD.commitment AND (e.type LIKE '%erased' OR e.type LIKE 'entry.%'
            OR e.type IN ('evidence.registered', 'incident.registered', 'incident.evidence_linked', 'export.created')))
    THEN
        RAISE EXCEPTION 'the body of this kind of entry is never erased'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;
    IF NOT EXISTS (
        SELECT FROM public.erasure_requests r WHERE r.commitment = OLD.commitment AND r.decision = 'approve')
    THEN
        RAISE EXCEPTION 'a body goes only when a second person has approved it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_body_erased';
    END IF;
    RETURN NULL;
END $$;

-- A signed verdict's envelope repeats the rationale inside what was signed: it goes when that goes, as a whole.
CREATE FUNCTION exhibit_envelope_erased() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.verdicts v WHERE v.id = OLD.verdict_id AND 'rationale' = ANY (v.erased)) THEN
        RAISE EXCEPTION 'a verdict''s envelope goes only with its rationale'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_envelope_erased';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_decide_once() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.decision IS NOT NULL OR NEW.decision IS NULL
        OR to_jsonb(NEW) - ARRAY['decision', 'decided_by', 'decided_at']
            <> to_jsonb(OLD) - ARRAY['decision', 'decided_by', 'decided_at']
    THEN
        RAISE EXCEPTION 'a request is decided once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_decide_once';
    END IF;
    RETURN NEW;
END $$;
"""

# An item's frozen columns, and a link's, now permit an erasure and nothing else besides what they did.
BEGIN = "BEGIN\n    IF TG_OP = 'INSERT' THEN"
GUARD_EVIDENCE = """
    IF TG_OP = 'UPDATE' AND public.exhibit_is_erasure(to_jsonb(OLD), to_jsonb(NEW), ARRAY[{columns}]) THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.erased <> OLD.erased THEN
        RAISE EXCEPTION 'item %: names as erased what is not, or does more than erase', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_fields_frozen';
    END IF;"""
UNLINK_ONCE = """
CREATE OR REPLACE FUNCTION exhibit_unlink_once() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
{permit}    IF OLD.unlinked_at IS NOT NULL OR NEW.unlinked_at IS NULL
        OR to_jsonb(NEW) - ARRAY['unlinked_at', 'unlinked_by', 'unlink_reason']
            <> to_jsonb(OLD) - ARRAY['unlinked_at', 'unlinked_by', 'unlink_reason']
    THEN
        RAISE EXCEPTION 'a link is ended once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_unlink_once';
    END IF;
    RETURN NEW;
END $$;
"""
PERMIT_UNLINK = """    IF public.exhibit_is_erasure(to_jsonb(OLD), to_jsonb(NEW), ARRAY['note', 'unlink_reason']) THEN
        RETURN NEW;
    END IF;
"""

LEDGER_TRIGGERS = """
DROP TRIGGER refuse_change ON ledger_disclosures;
CREATE TRIGGER refuse_change BEFORE UPDATE ON ledger_disclosures
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER disclosure_erased AFTER DELETE ON ledger_disclosures
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_disclosure_erased();
DROP TRIGGER refuse_change ON ledger_bodies;
CREATE TRIGGER refuse_change BEFORE UPDATE ON ledger_bodies
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER keep_next AFTER DELETE ON ledger_bodies FOR EACH ROW EXECUTE FUNCTION exhibit_keep_next();
CREATE CONSTRAINT TRIGGER body_erased AFTER DELETE ON ledger_bodies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_body_erased();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_erased_bodies
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_erased_bodies
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
DROP TRIGGER verdict_envelopes_fixed ON verdict_envelopes;
CREATE TRIGGER verdict_envelopes_fixed BEFORE UPDATE ON verdict_envelopes
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER verdict_envelopes_erased AFTER DELETE ON verdict_envelopes
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_envelope_erased();
CREATE TRIGGER erasure_requests_decided BEFORE UPDATE ON erasure_requests
    FOR EACH ROW EXECUTE FUNCTION exhibit_decide_once();
CREATE TRIGGER erasure_requests_kept BEFORE DELETE ON erasure_requests
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER erasure_requests_not_truncated BEFORE TRUNCATE ON erasure_requests
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER erasure_requests_need_entry AFTER INSERT OR UPDATE ON erasure_requests
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream_id');
GRANT DELETE ON ledger_disclosures, ledger_bodies, verdict_envelopes TO exhibit_app;
GRANT SELECT ON ledger_erased_bodies TO exhibit_app;
GRANT SELECT, INSERT ON erasure_requests TO exhibit_app;
GRANT UPDATE (decision, decided_by, decided_at) ON erasure_requests TO exhibit_app;
"""
LEDGER_BACK = """
DROP TABLE erasure_requests, ledger_erased_bodies;
REVOKE DELETE ON ledger_disclosures, ledger_bodies, verdict_envelopes FROM exhibit_app;
DROP TRIGGER verdict_envelopes_erased ON verdict_envelopes;
DROP TRIGGER verdict_envelopes_fixed ON verdict_envelopes;
CREATE TRIGGER verdict_envelopes_fixed BEFORE UPDATE OR DELETE ON verdict_envelopes
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
DROP TRIGGER refuse_change ON ledger_disclosures;
DROP TRIGGER disclosure_erased ON ledger_disclosures;
DROP TRIGGER refuse_change ON ledger_bodies;
DROP TRIGGER keep_next ON ledger_bodies;
DROP TRIGGER body_erased ON ledger_bodies;
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_disclosures
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_bodies
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
ALTER TABLE stored_answers DROP COLUMN is_erased;
"""
DROP_FUNCTIONS = """
DROP FUNCTION exhibit_envelope_erased(), exhibit_decide_once(), exhibit_body_erased(), exhibit_keep_next(),
    exhibit_disclosure_erased(),
    exhibit_has_erasing_entry(bytea, text), exhibit_require_erasure(), exhibit_guard_erased(), exhibit_permit_erasure(),
    exhibit_is_erasure(jsonb, jsonb, text[]), exhibit_newly_erased(jsonb, jsonb), exhibit_is_blank(jsonb, text);
"""


def upgrade() -> None:
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    for table, columns in ERASABLE.items():
        op.execute(f"ALTER TABLE {table} ADD COLUMN erased text[] NOT NULL DEFAULT '{{}}'")
        _guard(table, ", ".join(f"'{column}'" for column in columns))
    _rewrite_evidence_guard(BEGIN, BEGIN.replace("BEGIN", "BEGIN" + _evidence_permit(), 1))
    op.execute(UNLINK_ONCE.format(permit=PERMIT_UNLINK))
    op.execute(LEDGER_TRIGGERS)


def _guard(table: str, columns: str) -> None:
    if table in FROZEN:
        op.execute(f"DROP TRIGGER {table}_fixed ON {table}")
        op.execute(
            f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure({columns})"
        )
        op.execute(f"GRANT UPDATE ({_quoted(columns)}, erased) ON {table} TO exhibit_app")
    if table in RESTATED:
        op.execute(
            f"CREATE TRIGGER {table}_guard_erased BEFORE UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION exhibit_guard_erased({columns})"
        )
    if table == "incidents":
        op.execute("GRANT UPDATE (erased) ON incidents TO exhibit_app")
    if table == "incident_evidence":
        op.execute("GRANT UPDATE (note, erased) ON incident_evidence TO exhibit_app")
    for column in STREAMS[table]:
        argument = "" if column is None else f"'{column}'"
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_erasure_needs_entry_{column or 'system'} AFTER UPDATE OF erased "
            f"ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased) "
            f"EXECUTE FUNCTION exhibit_require_erasure({argument})"
        )


def _quoted(columns: str) -> str:
    return columns.replace("'", '"')


def _evidence_permit() -> str:
    return GUARD_EVIDENCE.format(columns=", ".join(f"'{column}'" for column in ERASABLE["evidence"]))


def _rewrite_evidence_guard(before: str, after: str) -> None:
    """The function as it stands, with one part replaced: its rules about states are another migration's."""
    (definition,) = (
        op.get_bind().exec_driver_sql("SELECT pg_get_functiondef('exhibit_guard_evidence()'::regprocedure)").one()
    )
    if definition.count(before) != 1:
        raise RuntimeError("exhibit_guard_evidence is not as this migration knows it")
    op.get_bind().exec_driver_sql(definition.replace(before, after).replace("%", "%%"))


def downgrade() -> None:
    op.execute(LEDGER_BACK)
    _rewrite_evidence_guard(BEGIN.replace("BEGIN", "BEGIN" + _evidence_permit(), 1), BEGIN)
    op.execute(UNLINK_ONCE.format(permit=""))
    for table, columns in ERASABLE.items():
        for column in STREAMS[table]:
            op.execute(f"DROP TRIGGER {table}_erasure_needs_entry_{column or 'system'} ON {table}")
        if table in RESTATED:
            op.execute(f"DROP TRIGGER {table}_guard_erased ON {table}")
        if table in FROZEN:
            quoted = ", ".join(f'"{column}"' for column in columns)
            op.execute(f"REVOKE UPDATE ({quoted}, erased) ON {table} FROM exhibit_app")
            op.execute(f"DROP TRIGGER {table}_fixed ON {table}")
            op.execute(
                f"CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change()"
            )
        if table == "incident_evidence":
            op.execute("REVOKE UPDATE (note) ON incident_evidence FROM exhibit_app")
        op.execute(f"ALTER TABLE {table} DROP COLUMN erased")
    op.execute(DROP_FUNCTIONS)
