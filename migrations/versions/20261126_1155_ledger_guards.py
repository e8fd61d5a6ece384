"""The ledger's guards, once a statement where they were once a row: the same refusals for a fraction of the time.

A statement of fifty entries parsed and planned fifty times what it can ask once. What is deferred to the commit stays
once a row, because PostgreSQL has no deferred triggers of another kind.
"""

from pathlib import Path

from alembic import op
from alembic.script import ScriptDirectory

revision = "r22_ledger_guards"
down_revision = "r26_audits"
branch_labels = None
depends_on = None

# Planned once a session, along the keys: a plan made while a table was small must not read a large one from end to end.
PLANNED = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

FUNCTIONS = """
CREATE OR REPLACE FUNCTION exhibit_move_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp {planned} AS $$
DECLARE
    current_log smallint := (SELECT max(id) FROM public.ledger_logs);
    wrong uuid;
BEGIN
    SELECT coalesce(o.id, n.id) INTO wrong FROM earlier o FULL JOIN moved n ON n.id = o.id
        WHERE (n.kind, n.case_id) IS DISTINCT FROM (o.kind, o.case_id) OR n.id IS NULL OR o.id IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'stream % is fixed once created', wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    SELECT n.id INTO wrong FROM moved n JOIN earlier o ON o.id = n.id
        WHERE n.log_id IS DISTINCT FROM current_log OR n.log_id < o.log_id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'stream % goes on only in the newest log', wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF EXISTS (SELECT FROM public.ledger_halts h WHERE h.log_id = current_log) AND EXISTS (SELECT FROM moved) THEN
        RAISE EXCEPTION 'the log is halted: nothing is written until an operator has started a new one'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_ledger_halted';
    END IF;
    -- A stream may begin anew in a new log (ck_ledger_streams_first_label holds its label); else it moves forward.
    SELECT n.id INTO wrong FROM moved n JOIN earlier o ON o.id = n.id
        WHERE NOT (n.log_id > o.log_id AND n.head_seq = 0)
            AND (n.log_id > o.log_id OR n.head_seq <= o.head_seq OR NOT EXISTS (
                SELECT FROM public.ledger_entries e
                WHERE e.stream_id = n.id AND e.log_id = n.log_id AND e.seq = n.head_seq
                    AND e.commitment = n.head_commitment
            )) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the head of stream % moves only forward, and only onto its entry', wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    -- From the label that was due, each entry bears the one that the body before it names, without a gap.
    SELECT n.id INTO wrong FROM moved n JOIN earlier o ON o.id = n.id
        WHERE n.log_id = o.log_id AND NOT EXISTS (
            SELECT FROM (
                SELECT e.seq, e.label, x.next, lag(x.next, 1, o.next_label) OVER (ORDER BY e.seq) AS due
                FROM public.ledger_entries e JOIN public.ledger_bodies b ON b.commitment = e.commitment
                CROSS JOIN LATERAL (SELECT decode(convert_from(b.body, 'UTF8')::jsonb ->> 'next', 'hex') AS next) x
                WHERE e.stream_id = n.id AND e.log_id = n.log_id AND e.seq > o.head_seq AND e.seq <= n.head_seq
            ) chain
            HAVING count(*) = n.head_seq - o.head_seq AND count(*) FILTER (WHERE label = due) = count(*)
                AND bool_or(seq = n.head_seq AND next = n.next_label)
        ) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the entries of stream % do not bear the labels that are due', wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF current_log > 1 THEN
        SELECT n.id INTO wrong FROM moved n JOIN earlier o ON o.id = n.id AND o.head_seq = 0 AND n.head_seq > 0
            CROSS JOIN LATERAL (
                SELECT jsonb_build_object(
                    'log', l.origin, 'seq', e.seq, 'commitment', encode(e.commitment, 'hex')
                ) AS due
                FROM public.ledger_entries e JOIN public.ledger_logs l ON l.id = e.log_id
                WHERE e.stream_id = n.id AND e.log_id < n.log_id ORDER BY e.log_id DESC, e.seq DESC LIMIT 1
            ) before
            JOIN public.ledger_entries e ON e.stream_id = n.id AND e.log_id = n.log_id AND e.seq = 1
            JOIN public.ledger_bodies b ON b.commitment = e.commitment
            WHERE convert_from(b.body, 'UTF8')::jsonb -> 'data' -> 'continues' IS DISTINCT FROM before.due LIMIT 1;
        IF FOUND THEN
            RAISE EXCEPTION 'the first entry of stream % in the new log does not name its end in the old one', wrong
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_opens_body() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp {planned} AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh f WHERE NOT EXISTS (
            SELECT FROM public.ledger_entries e JOIN public.ledger_bodies b ON b.commitment = e.commitment
            WHERE e.commitment = f.commitment AND e.xact = pg_current_xact_id()
                AND convert_from(b.body, 'UTF8')::jsonb -> 'sealed' ->> f.field = encode(sha256(f.line), 'hex')
        )
    ) THEN
        RAISE EXCEPTION 'a disclosure is written with its entry, and opens a field that the body seals'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opens_body';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_enter_queue() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp {planned} AS $$
DECLARE
    repeated bigint;
BEGIN
    SELECT f.entry_id INTO repeated FROM fresh f JOIN public.ledger_entries e ON e.id = f.entry_id
        JOIN public.ledger_leaves l ON l.commitment = e.commitment LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'entry % has its leaf already', repeated
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_enter_queue';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
DROP TRIGGER move_head ON ledger_streams;
CREATE TRIGGER move_head AFTER UPDATE ON ledger_streams REFERENCING OLD TABLE AS earlier NEW TABLE AS moved
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_move_head();
DROP TRIGGER opens_body ON ledger_disclosures;
CREATE TRIGGER opens_body AFTER INSERT ON ledger_disclosures REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_opens_body();
DROP TRIGGER enter_queue ON ledger_queue;
CREATE TRIGGER enter_queue AFTER INSERT ON ledger_queue REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_enter_queue();
"""

DOWN = """
DROP TRIGGER move_head ON ledger_streams;
CREATE TRIGGER move_head AFTER UPDATE ON ledger_streams
    FOR EACH ROW EXECUTE FUNCTION exhibit_move_head();
DROP TRIGGER opens_body ON ledger_disclosures;
CREATE TRIGGER opens_body AFTER INSERT ON ledger_disclosures
    FOR EACH ROW EXECUTE FUNCTION exhibit_opens_body();
DROP TRIGGER enter_queue ON ledger_queue;
CREATE TRIGGER enter_queue AFTER INSERT ON ledger_queue
    FOR EACH ROW EXECUTE FUNCTION exhibit_enter_queue();
"""


def upgrade() -> None:
    op.execute(FUNCTIONS.format(planned=PLANNED))
    op.execute(TRIGGERS)


def downgrade() -> None:
    op.execute(DOWN)
    scripts = ScriptDirectory(str(Path(__file__).parents[1]))
    for earlier, names in (
        ("r01_ledger", ("exhibit_opens_body", "exhibit_enter_queue")),
        ("r21_log_identities", ("exhibit_move_head",)),
    ):
        for function in scripts.get_revision(earlier).module.FUNCTIONS.split("\n\nCREATE "):
            if any(f" {name}()" in function for name in names):
                op.execute("CREATE OR REPLACE " + function.strip().removeprefix("CREATE ").removeprefix("OR REPLACE "))
