"""The custody ledger: tables, roles, grants, and the triggers that refuse rewriting.

Ledger tables are never rewritten by a later migration.
"""

from alembic import op

revision = "r01_ledger"
down_revision = None
branch_labels = None
depends_on = None

ROLES = ("exhibit_app", "exhibit_integrator")

APPEND_ONLY = (
    "ledger_installation",
    "ledger_entries",
    "ledger_bodies",
    "ledger_disclosures",
    "ledger_leaves",
    "ledger_nodes",
    "ledger_checkpoints",
)

TABLES = """
CREATE TABLE ledger_streams (
    id uuid NOT NULL CONSTRAINT pk_ledger_streams PRIMARY KEY,
    kind text NOT NULL CONSTRAINT ck_ledger_streams_kind_word
        CHECK (kind IN ('system', 'case', 'evidence', 'incident')),
    case_id uuid,
    head_seq bigint NOT NULL DEFAULT 0,
    head_commitment bytea CONSTRAINT ck_ledger_streams_head_commitment_size
        CHECK (octet_length(head_commitment) = 32),
    next_label bytea NOT NULL CONSTRAINT uq_ledger_streams_next_label UNIQUE
        CONSTRAINT ck_ledger_streams_next_label_size CHECK (octet_length(next_label) = 32),
    CONSTRAINT ck_ledger_streams_head CHECK (head_seq >= 0 AND (head_seq = 0) = (head_commitment IS NULL)),
    CONSTRAINT ck_ledger_streams_first_label
        CHECK (head_seq > 0 OR next_label = sha256(CAST('custody-stream/v1 ' || CAST(id AS text) AS bytea)))
);
CREATE INDEX ix_ledger_streams_case_id ON ledger_streams (case_id);

CREATE TABLE ledger_installation (
    is_only boolean NOT NULL DEFAULT true CONSTRAINT pk_ledger_installation PRIMARY KEY,
    system_stream uuid NOT NULL CONSTRAINT fk_ledger_installation_system_stream_ledger_streams
        REFERENCES ledger_streams (id),
    origin text NOT NULL CONSTRAINT ck_ledger_installation_origin_is_key_name
        CHECK (origin <> '' AND origin !~ '[[:space:]+[:cntrl:]]'),
    created_at timestamptz NOT NULL,
    CONSTRAINT ck_ledger_installation_singleton CHECK (is_only)
);

CREATE TABLE ledger_entries (
    stream_id uuid NOT NULL CONSTRAINT fk_ledger_entries_stream_id_ledger_streams REFERENCES ledger_streams (id),
    seq bigint NOT NULL CONSTRAINT ck_ledger_entries_seq_from_one CHECK (seq >= 1),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_ledger_entries_id UNIQUE,
    commitment bytea NOT NULL CONSTRAINT uq_ledger_entries_commitment UNIQUE
        CONSTRAINT ck_ledger_entries_commitment_size CHECK (octet_length(commitment) = 32),
    label bytea NOT NULL CONSTRAINT uq_ledger_entries_label UNIQUE
        CONSTRAINT ck_ledger_entries_label_size CHECK (octet_length(label) = 32),
    type text NOT NULL,
    recorded_at timestamptz NOT NULL,
    occurred_at timestamptz NOT NULL,
    object_kind text NOT NULL,
    object_id uuid NOT NULL,
    actor_id uuid NOT NULL,
    actor_kind text NOT NULL CONSTRAINT ck_ledger_entries_actor_kind_word
        CHECK (actor_kind IN ('user', 'token', 'system')),
    actor_role text,
    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
    CONSTRAINT pk_ledger_entries PRIMARY KEY (stream_id, seq)
);

CREATE TABLE ledger_bodies (
    commitment bytea NOT NULL CONSTRAINT pk_ledger_bodies PRIMARY KEY
        CONSTRAINT fk_ledger_bodies_commitment_ledger_entries REFERENCES ledger_entries (commitment),
    body bytea NOT NULL,
    CONSTRAINT ck_ledger_bodies_commitment_is_hash CHECK (commitment = sha256(body)),
    CONSTRAINT ck_ledger_bodies_body_limit CHECK (octet_length(body) <= 60000)
);

CREATE TABLE ledger_disclosures (
    commitment bytea NOT NULL
        CONSTRAINT fk_ledger_disclosures_commitment_ledger_entries REFERENCES ledger_entries (commitment),
    field text NOT NULL,
    line bytea NOT NULL,
    CONSTRAINT pk_ledger_disclosures PRIMARY KEY (commitment, field)
);

CREATE TABLE ledger_queue (
    entry_id bigint NOT NULL CONSTRAINT pk_ledger_queue PRIMARY KEY
        CONSTRAINT fk_ledger_queue_entry_id_ledger_entries REFERENCES ledger_entries (id),
    closes_batch boolean NOT NULL
);

CREATE TABLE ledger_leaves (
    idx bigint NOT NULL CONSTRAINT pk_ledger_leaves PRIMARY KEY
        CONSTRAINT ck_ledger_leaves_idx_from_zero CHECK (idx >= 0),
    label bytea NOT NULL CONSTRAINT uq_ledger_leaves_label UNIQUE
        CONSTRAINT ck_ledger_leaves_label_size CHECK (octet_length(label) = 32),
    commitment bytea NOT NULL CONSTRAINT uq_ledger_leaves_commitment UNIQUE
        CONSTRAINT fk_ledger_leaves_commitment_ledger_entries REFERENCES ledger_entries (commitment)
);

CREATE TABLE ledger_nodes (
    level smallint NOT NULL,
    idx bigint NOT NULL,
    hash bytea NOT NULL CONSTRAINT ck_ledger_nodes_hash_size CHECK (octet_length(hash) = 32),
    CONSTRAINT pk_ledger_nodes PRIMARY KEY (level, idx),
    CONSTRAINT ck_ledger_nodes_coordinates CHECK (level >= 1 AND idx >= 0)
);

CREATE TABLE ledger_checkpoints (
    size bigint NOT NULL CONSTRAINT pk_ledger_checkpoints PRIMARY KEY
        CONSTRAINT ck_ledger_checkpoints_size_from_one CHECK (size >= 1),
    root bytea NOT NULL CONSTRAINT ck_ledger_checkpoints_root_size CHECK (octet_length(root) = 32),
    note text NOT NULL,
    signed_at timestamptz NOT NULL
);
"""

# Two databases of one server may migrate at once, and roles belong to the server: the loser meets the winner's row.
CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

FUNCTIONS = """
CREATE FUNCTION exhibit_refuse_change() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the custody ledger is only ever added to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_refuse_change',
              TABLE = TG_TABLE_NAME;
END $$;

CREATE FUNCTION exhibit_move_head() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.id, NEW.kind, NEW.case_id) IS DISTINCT FROM (OLD.id, OLD.kind, OLD.case_id) THEN
        RAISE EXCEPTION 'stream % is fixed once created', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    IF NEW.head_seq <= OLD.head_seq OR NOT EXISTS (
        SELECT FROM public.ledger_entries e
        WHERE e.stream_id = NEW.id AND e.seq = NEW.head_seq AND e.commitment = NEW.head_commitment
    ) THEN
        RAISE EXCEPTION 'the head of stream % moves only forward, and only onto its entry', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    -- From the label that was due, each entry bears the one that the body before it names, without a gap.
    PERFORM FROM (
        SELECT e.seq, e.label, n.next, lag(n.next, 1, OLD.next_label) OVER (ORDER BY e.seq) AS due
        FROM public.ledger_entries e JOIN public.ledger_bodies b ON b.commitment = e.commitment
        CROSS JOIN LATERAL (SELECT decode(convert_from(b.body, 'UTF8')::jsonb ->> 'next', 'hex') AS next) n
        WHERE e.stream_id = NEW.id AND e.seq > OLD.head_seq AND e.seq <= NEW.head_seq
    ) chain
    HAVING count(*) = NEW.head_seq - OLD.head_seq AND count(*) FILTER (WHERE label = due) = count(*)
        AND bool_or(seq = NEW.head_seq AND next = NEW.next_label);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the entries of stream % do not bear the labels that are due', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_move_head';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_whole_entry() RETURNS trigger LANGUAGE plpgsql
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
        WHERE s.id = NEW.stream_id AND s.head_seq >= NEW.seq;
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

CREATE FUNCTION exhibit_opens_body() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.ledger_entries e JOIN public.ledger_bodies b ON b.commitment = e.commitment
        WHERE e.commitment = NEW.commitment AND e.xact = pg_current_xact_id()
            AND convert_from(b.body, 'UTF8')::jsonb -> 'sealed' ->> NEW.field = encode(sha256(NEW.line), 'hex');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a disclosure is written with its entry, and opens a field that the body seals'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_opens_body';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_enter_queue() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM public.ledger_entries e JOIN public.ledger_leaves l ON l.commitment = e.commitment
        WHERE e.id = NEW.entry_id
    ) THEN
        RAISE EXCEPTION 'entry % has its leaf already', NEW.entry_id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_enter_queue';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_leave_queue() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT FROM gone JOIN public.ledger_entries e ON e.id = gone.entry_id
        WHERE NOT EXISTS (SELECT FROM public.ledger_leaves l WHERE l.commitment = e.commitment)
    ) THEN
        RAISE EXCEPTION 'an entry leaves the queue only with its leaf'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_leave_queue';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION exhibit_require_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    changed record;
    stream uuid;
BEGIN
    IF TG_OP = 'DELETE' THEN changed := OLD; ELSE changed := NEW; END IF;
    IF TG_NARGS = 0 THEN
        SELECT system_stream INTO stream FROM public.ledger_installation;
    ELSE
        EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO stream USING changed;
    END IF;
    -- The stream's row is locked until commit, so that this transaction's entry, if any, is the stream's last one.
    PERFORM FROM public.ledger_streams s
        JOIN public.ledger_entries e ON e.stream_id = s.id AND e.seq = s.head_seq
        WHERE s.id = stream AND e.xact = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION '% on % has no custody entry in stream %', TG_OP, TG_TABLE_NAME, stream
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_require_entry',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION exhibit_require_entry() IS
    'CREATE CONSTRAINT TRIGGER … AFTER INSERT OR UPDATE … DEFERRABLE INITIALLY DEFERRED FOR EACH ROW '
    'EXECUTE FUNCTION exhibit_require_entry(''<column with the stream''''s id>''): no commit without an entry. '
    'Without an argument: in the system stream.';
"""

TRIGGERS = """
CREATE TRIGGER refuse_delete BEFORE DELETE ON ledger_streams
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_streams
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER move_head AFTER UPDATE ON ledger_streams
    FOR EACH ROW EXECUTE FUNCTION exhibit_move_head();
CREATE CONSTRAINT TRIGGER whole_entry AFTER INSERT ON ledger_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_whole_entry();
CREATE TRIGGER opens_body AFTER INSERT ON ledger_disclosures
    FOR EACH ROW EXECUTE FUNCTION exhibit_opens_body();
CREATE TRIGGER enter_queue AFTER INSERT ON ledger_queue
    FOR EACH ROW EXECUTE FUNCTION exhibit_enter_queue();
CREATE TRIGGER refuse_update BEFORE UPDATE ON ledger_queue
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_queue
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER leave_queue AFTER DELETE ON ledger_queue REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_leave_queue();
"""

REFUSE = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
"""

# The application writes entries and never leaves; ids and transaction ids are the database's to give.
GRANTS = """
GRANT SELECT ON ledger_installation, ledger_streams, ledger_entries, ledger_bodies, ledger_disclosures,
    ledger_queue, ledger_leaves, ledger_nodes, ledger_checkpoints TO exhibit_app;
GRANT INSERT ON ledger_installation, ledger_bodies, ledger_disclosures, ledger_queue TO exhibit_app;
GRANT INSERT (id, kind, case_id, next_label) ON ledger_streams TO exhibit_app;
GRANT UPDATE (head_seq, head_commitment, next_label) ON ledger_streams TO exhibit_app;
GRANT INSERT (stream_id, seq, commitment, label, type, recorded_at, occurred_at, object_kind, object_id,
    actor_id, actor_kind, actor_role) ON ledger_entries TO exhibit_app;

GRANT SELECT ON ledger_installation, ledger_entries, ledger_queue, ledger_leaves, ledger_nodes,
    ledger_checkpoints TO exhibit_integrator;
GRANT DELETE ON ledger_queue TO exhibit_integrator;
GRANT INSERT ON ledger_leaves, ledger_nodes, ledger_checkpoints TO exhibit_integrator;
"""

DROP = """
DROP TABLE ledger_checkpoints, ledger_nodes, ledger_leaves, ledger_queue, ledger_disclosures, ledger_bodies,
    ledger_entries, ledger_installation, ledger_streams;
DROP FUNCTION exhibit_require_entry(), exhibit_leave_queue(), exhibit_enter_queue(), exhibit_opens_body(),
    exhibit_whole_entry(), exhibit_move_head(), exhibit_refuse_change();
"""


def upgrade() -> None:
    for role in ROLES:
        op.execute(CREATE_ROLE.format(role=role))
    op.execute(TABLES)
    op.execute(FUNCTIONS)
    op.execute(TRIGGERS)
    for table in APPEND_ONLY:
        op.execute(REFUSE.format(table=table))
    op.execute(GRANTS)


def downgrade() -> None:
    """The roles stay: they belong to the server, and other databases may use them."""
    op.execute(DROP)
