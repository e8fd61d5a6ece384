"""Several log identities in one database, the history of their keys, and the halt of a log that may not go on.

Columns with constant defaults, indexes and functions: no row of the ledger is rewritten.
"""

from pathlib import Path

from alembic import op
from alembic.script import ScriptDirectory

revision = "r21_log_identities"
down_revision = "r23_anchors"
branch_labels = None
depends_on = None

# ``ledger_installation`` had one row for ever; now there is one a log. Its append-only triggers and grants go along.
LOGS = """
ALTER TABLE ledger_installation RENAME TO ledger_logs;
ALTER TABLE ledger_logs ADD COLUMN id smallint NOT NULL DEFAULT 1;
ALTER TABLE ledger_logs DROP CONSTRAINT pk_ledger_installation;
ALTER TABLE ledger_logs DROP COLUMN is_only;
ALTER TABLE ledger_logs ADD CONSTRAINT pk_ledger_logs PRIMARY KEY (id);
ALTER TABLE ledger_logs ADD CONSTRAINT ck_ledger_logs_id_from_one CHECK (id >= 1);
ALTER TABLE ledger_logs ADD CONSTRAINT uq_ledger_logs_origin UNIQUE (origin);
ALTER TABLE ledger_logs RENAME CONSTRAINT ck_ledger_installation_origin_is_key_name
    TO ck_ledger_logs_origin_is_key_name;
ALTER TABLE ledger_logs RENAME CONSTRAINT fk_ledger_installation_system_stream_ledger_streams
    TO fk_ledger_logs_system_stream_ledger_streams;

CREATE TABLE ledger_halts (
    log_id smallint NOT NULL CONSTRAINT pk_ledger_halts PRIMARY KEY
        CONSTRAINT fk_ledger_halts_log_id_ledger_logs REFERENCES ledger_logs (id),
    signed_size bigint NOT NULL CONSTRAINT ck_ledger_halts_signed_size_from_zero CHECK (signed_size >= 0),
    signed_root bytea NOT NULL CONSTRAINT ck_ledger_halts_signed_root_size CHECK (octet_length(signed_root) = 32),
    held_size bigint NOT NULL CONSTRAINT ck_ledger_halts_held_size_from_zero CHECK (held_size >= 0),
    reason text NOT NULL,
    halted_at timestamptz NOT NULL
);

CREATE TABLE ledger_keys (
    log_id smallint NOT NULL CONSTRAINT fk_ledger_keys_log_id_ledger_logs REFERENCES ledger_logs (id),
    key_id bytea NOT NULL CONSTRAINT ck_ledger_keys_key_id_size CHECK (octet_length(key_id) = 4),
    public_key bytea NOT NULL CONSTRAINT ck_ledger_keys_public_key_size CHECK (octet_length(public_key) = 32),
    first_size bigint NOT NULL CONSTRAINT ck_ledger_keys_first_size_from_one CHECK (first_size >= 1),
    last_size bigint,
    CONSTRAINT pk_ledger_keys PRIMARY KEY (log_id, key_id),
    CONSTRAINT ck_ledger_keys_sizes CHECK (last_size >= first_size - 1)
);
"""

COLUMNS = """
ALTER TABLE ledger_streams ADD COLUMN log_id smallint NOT NULL DEFAULT 1;
ALTER TABLE ledger_entries ADD COLUMN log_id smallint NOT NULL DEFAULT 1;
ALTER TABLE ledger_leaves ADD COLUMN log_id smallint NOT NULL DEFAULT 1;
ALTER TABLE ledger_nodes ADD COLUMN log_id smallint NOT NULL DEFAULT 1;
ALTER TABLE ledger_checkpoints ADD COLUMN log_id smallint NOT NULL DEFAULT 1;

ALTER TABLE ledger_entries DROP CONSTRAINT pk_ledger_entries, DROP CONSTRAINT uq_ledger_entries_label,
    ADD CONSTRAINT pk_ledger_entries PRIMARY KEY (stream_id, log_id, seq),
    ADD CONSTRAINT uq_ledger_entries_log_id_label UNIQUE (log_id, label);
ALTER TABLE ledger_leaves DROP CONSTRAINT pk_ledger_leaves, DROP CONSTRAINT uq_ledger_leaves_label,
    ADD CONSTRAINT pk_ledger_leaves PRIMARY KEY (log_id, idx),
    ADD CONSTRAINT uq_ledger_leaves_log_id_label UNIQUE (log_id, label);
ALTER TABLE ledger_nodes DROP CONSTRAINT pk_ledger_nodes,
    ADD CONSTRAINT pk_ledger_nodes PRIMARY KEY (log_id, level, idx);
ALTER TABLE ledger_checkpoints DROP CONSTRAINT pk_ledger_checkpoints,
    ADD CONSTRAINT pk_ledger_checkpoints PRIMARY KEY (log_id, size);
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_begin_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NEW.id > 1 AND NOT EXISTS (
        SELECT FROM public.ledger_logs o JOIN public.ledger_halts h ON h.log_id = o.id
        WHERE o.id = NEW.id - 1 AND o.system_stream = NEW.system_stream
    ) THEN
        RAISE EXCEPTION 'log % begins only after log % was halted, with the same system stream', NEW.id, NEW.id - 1
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_begin_log';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_only_current_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM fresh WHERE fresh.log_id <> (SELECT max(id) FROM public.ledger_logs)) THEN
        RAISE EXCEPTION '% on % is refused: that log has ended', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_only_current_log',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_retire_key() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.last_size IS NOT NULL OR NEW.last_size IS NULL
        OR (NEW.log_id, NEW.key_id, NEW.public_key, NEW.first_size)
            IS DISTINCT FROM (OLD.log_id, OLD.key_id, OLD.public_key, OLD.first_size) THEN
        RAISE EXCEPTION 'of a key of the log only the last size may be set, once'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_retire_key';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_move_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.kind, NEW.case_id) IS DISTINCT FROM (OLD.id, OLD.kind, OLD.case_id) THEN
        RAISE EXCEPTION 'stream % is fixed once created', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF NEW.log_id <> (SELECT max(id) FROM public.ledger_logs) OR NEW.log_id < OLD.log_id THEN
        RAISE EXCEPTION 'stream % goes on only in the newest log', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF EXISTS (SELECT FROM public.ledger_halts h WHERE h.log_id = NEW.log_id) THEN
        RAISE EXCEPTION 'the log is halted: nothing is written until an operator has started a new one'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_ledger_halted';
    END IF;
    IF NEW.log_id > OLD.log_id AND NEW.head_seq = 0 THEN
        RETURN NULL;  -- It begins anew in a new log; ck_ledger_streams_first_label holds its label.
    END IF;
    IF NEW.log_id > OLD.log_id OR NEW.head_seq <= OLD.head_seq OR NOT EXISTS (
        SELECT FROM public.ledger_entries e
        WHERE e.stream_id = NEW.id AND e.log_id = NEW.log_id AND e.seq = NEW.head_seq
            AND e.commitment = NEW.head_commitment
    ) THEN
        RAISE EXCEPTION 'the head of stream % moves only forward, and only onto its entry', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    -- From the label that was due, each entry bears the one that the body before it names, without a gap.
    PERFORM FROM (
        SELECT e.seq, e.label, n.next, lag(n.next, 1, OLD.next_label) OVER (ORDER BY e.seq) AS due
        FROM public.ledger_entries e JOIN public.ledger_bodies b ON b.commitment = e.commitment
        CROSS JOIN LATERAL (SELECT decode(convert_from(b.body, 'UTF8')::jsonb ->> 'next', 'hex') AS next) n
        WHERE e.stream_id = NEW.id AND e.log_id = NEW.log_id AND e.seq > OLD.head_seq AND e.seq <= NEW.head_seq
    ) chain
    HAVING count(*) = NEW.head_seq - OLD.head_seq AND count(*) FILTER (WHERE label = due) = count(*)
        AND bool_or(seq = NEW.head_seq AND next = NEW.next_label);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the entries of stream % do not bear the labels that are due', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF OLD.head_seq = 0 AND NEW.log_id > 1 THEN
        PERFORM FROM (
            SELECT jsonb_build_object('log', l.origin, 'seq', e.seq, 'commitment', encode(e.commitment, 'hex')) AS due
            FROM public.ledger_entries e JOIN public.ledger_logs l ON l.id = e.log_id
            WHERE e.stream_id = NEW.id AND e.log_id < NEW.log_id ORDER BY e.log_id DESC, e.seq DESC LIMIT 1
        ) before
        JOIN public.ledger_entries e ON e.stream_id = NEW.id AND e.log_id = NEW.log_id AND e.seq = 1
        JOIN public.ledger_bodies b ON b.commitment = e.commitment
        WHERE convert_from(b.body, 'UTF8')::jsonb -> 'data' -> 'continues' IS DISTINCT FROM before.due;
        IF FOUND THEN
            RAISE EXCEPTION 'the first entry of stream % in the new log does not name its end in the old one', OLD.id
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
        END IF;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_whole_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- An older snapshot would not show the labels that are due by now.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'entries are written in READ COMMITTED transactions only'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_whole_entry';
    END IF;
    PERFORM FROM public.ledger_streams s
        JOIN public.ledger_bodies b ON b.commitment = NEW.commitment
        JOIN public.ledger_queue q ON q.entry_id = NEW.id
        WHERE s.id = NEW.stream_id AND s.log_id = NEW.log_id AND s.head_seq >= NEW.seq;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'entry % of stream % lacks its body, its queue row or the head', NEW.seq, NEW.stream_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_whole_entry';
    END IF;
    IF EXISTS (SELECT FROM public.ledger_streams s WHERE s.next_label = NEW.label) THEN
        RAISE EXCEPTION 'entry % of stream % bears a label that is due elsewhere', NEW.seq, NEW.stream_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_whole_entry';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_leave_queue() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- What an ended log never integrated gets no leaf; its stream's first entry in the next log names its end.
    IF EXISTS (
        SELECT FROM gone JOIN public.ledger_entries e ON e.id = gone.entry_id
        WHERE e.log_id = (SELECT max(id) FROM public.ledger_logs)
            AND NOT EXISTS (SELECT FROM public.ledger_leaves l WHERE l.commitment = e.commitment)
    ) THEN
        RAISE EXCEPTION 'an entry leaves the queue only with its leaf'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_leave_queue';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION exhibit_require_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed record;
    stream uuid;
BEGIN
    IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
    IF TG_NARGS = 0 THEN
        SELECT system_stream INTO stream FROM public.ledger_logs ORDER BY id DESC LIMIT 1;
    ELSE
        EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO stream USING changed;
    END IF;
    -- The stream's row is locked until commit, so that this transaction's entry, if any, is the stream's last one.
    PERFORM FROM public.ledger_streams s
        JOIN public.ledger_entries e ON e.stream_id = s.id AND e.log_id = s.log_id AND e.seq = s.head_seq
        WHERE s.id = stream AND e.xact = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION '% on % has no custody entry in stream %', TG_OP, TG_TABLE_NAME, stream
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_require_entry',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER begin_log AFTER INSERT ON ledger_logs FOR EACH ROW EXECUTE FUNCTION exhibit_begin_log();
CREATE TRIGGER only_current_log AFTER INSERT ON ledger_leaves REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_only_current_log();
CREATE TRIGGER only_current_log AFTER INSERT ON ledger_nodes REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_only_current_log();
CREATE TRIGGER only_current_log AFTER INSERT ON ledger_checkpoints REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_only_current_log();
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_halts
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_halts
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER retire_key AFTER UPDATE ON ledger_keys FOR EACH ROW EXECUTE FUNCTION exhibit_retire_key();
CREATE TRIGGER refuse_delete BEFORE DELETE ON ledger_keys
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_keys
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
"""

# The application may make the first log alone: it cannot say an id. A further one is the owner's to begin.
GRANTS = """
REVOKE INSERT ON ledger_logs FROM exhibit_app;
GRANT INSERT (system_stream, origin, created_at) ON ledger_logs TO exhibit_app;
GRANT INSERT (log_id) ON ledger_streams TO exhibit_app;
GRANT INSERT (log_id) ON ledger_entries TO exhibit_app;
GRANT SELECT ON ledger_halts, ledger_keys TO exhibit_app;
GRANT SELECT, INSERT ON ledger_halts, ledger_keys TO exhibit_integrator;
GRANT UPDATE (last_size) ON ledger_keys TO exhibit_integrator;
"""

# As the migration before this one left them.
DOWN = """
DROP TRIGGER only_current_log ON ledger_checkpoints;
DROP TRIGGER only_current_log ON ledger_nodes;
DROP TRIGGER only_current_log ON ledger_leaves;
DROP TRIGGER begin_log ON ledger_logs;
DROP TABLE ledger_keys, ledger_halts;
DROP FUNCTION exhibit_retire_key(), exhibit_only_current_log(), exhibit_begin_log();

ALTER TABLE ledger_checkpoints DROP COLUMN log_id, ADD CONSTRAINT pk_ledger_checkpoints PRIMARY KEY (size);
ALTER TABLE ledger_nodes DROP COLUMN log_id, ADD CONSTRAINT pk_ledger_nodes PRIMARY KEY (level, idx);
ALTER TABLE ledger_leaves DROP COLUMN log_id, ADD CONSTRAINT pk_ledger_leaves PRIMARY KEY (idx),
    ADD CONSTRAINT uq_ledger_leaves_label UNIQUE (label);
ALTER TABLE ledger_entries DROP COLUMN log_id, ADD CONSTRAINT pk_ledger_entries PRIMARY KEY (stream_id, seq),
    ADD CONSTRAINT uq_ledger_entries_label UNIQUE (label);
ALTER TABLE ledger_streams DROP COLUMN log_id;

REVOKE INSERT (system_stream, origin, created_at) ON ledger_logs FROM exhibit_app;
ALTER TABLE ledger_logs DROP CONSTRAINT uq_ledger_logs_origin, DROP COLUMN id;
ALTER TABLE ledger_logs ADD COLUMN is_only boolean NOT NULL DEFAULT true
    CONSTRAINT pk_ledger_installation PRIMARY KEY CONSTRAINT ck_ledger_installation_singleton CHECK (is_only);
ALTER TABLE ledger_logs RENAME CONSTRAINT ck_ledger_logs_origin_is_key_name
    TO ck_ledger_installation_origin_is_key_name;
ALTER TABLE ledger_logs RENAME CONSTRAINT fk_ledger_logs_system_stream_ledger_streams
    TO fk_ledger_installation_system_stream_ledger_streams;
ALTER TABLE ledger_logs RENAME TO ledger_installation;
GRANT INSERT ON ledger_installation TO exhibit_app;
"""


def upgrade() -> None:
    for script in (LOGS, COLUMNS, FUNCTIONS, TRIGGERS, GRANTS):
        op.execute(script)


def downgrade() -> None:
    """Possible while there is one log. The functions of the first migration become again what it made them."""
    op.execute(DOWN)
    first = ScriptDirectory(str(Path(__file__).parents[1])).get_revision("r01_ledger")
    op.execute(first.module.FUNCTIONS.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
