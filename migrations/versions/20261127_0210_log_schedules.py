"""Schedules of monthly logs, and the logs that they made: one for each month, exactly once."""

from alembic import op

revision = "r117b_log_schedules"
down_revision = "r113_search"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE log_schedules (
    id uuid NOT NULL CONSTRAINT pk_log_schedules PRIMARY KEY,
    case_id uuid CONSTRAINT fk_log_schedules_case_id_cases REFERENCES cases (id),
    stream uuid NOT NULL CONSTRAINT fk_log_schedules_stream_ledger_streams REFERENCES ledger_streams (id),
    requested_by uuid NOT NULL CONSTRAINT fk_log_schedules_requested_by_accounts REFERENCES accounts (id),
    created_at timestamptz NOT NULL,
    format text NOT NULL CONSTRAINT ck_log_schedules_format_word CHECK (format IN ('jsonl', 'csv')),
    filters jsonb NOT NULL,
    purpose text NOT NULL,
    day smallint NOT NULL CONSTRAINT ck_log_schedules_day_of_every_month CHECK (day BETWEEN 1 AND 28),
    time_zone text NOT NULL,
    first_month text NOT NULL
        CONSTRAINT ck_log_schedules_first_month_form CHECK (first_month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    ended_at timestamptz
);
CREATE INDEX ix_log_schedules_case_id ON log_schedules (case_id, created_at, id);

CREATE TABLE stored_logs (
    schedule_id uuid NOT NULL CONSTRAINT fk_stored_logs_schedule_id_log_schedules REFERENCES log_schedules (id),
    month text NOT NULL CONSTRAINT ck_stored_logs_month_form CHECK (month ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    log_id smallint NOT NULL,
    id uuid NOT NULL CONSTRAINT uq_stored_logs_id UNIQUE,
    stream uuid NOT NULL CONSTRAINT fk_stored_logs_stream_ledger_streams REFERENCES ledger_streams (id),
    first bigint NOT NULL,
    before bigint NOT NULL,
    recorded_from timestamptz NOT NULL,
    recorded_before timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    state text NOT NULL CONSTRAINT ck_stored_logs_state_word CHECK (state IN ('building', 'ready', 'failed')),
    error text,
    file_sha256 bytea,
    size_bytes bigint,
    CONSTRAINT pk_stored_logs PRIMARY KEY (schedule_id, month, log_id),
    CONSTRAINT ck_stored_logs_places CHECK (first >= 0 AND before >= first),
    CONSTRAINT ck_stored_logs_ready_stored CHECK ((state = 'ready') = (file_sha256 IS NOT NULL)),
    CONSTRAINT ck_stored_logs_file_has_size CHECK ((file_sha256 IS NULL) = (size_bytes IS NULL)),
    CONSTRAINT ck_stored_logs_failed_has_error CHECK ((state = 'failed') = (error IS NOT NULL))
);
CREATE INDEX ix_stored_logs_file_sha256 ON stored_logs (file_sha256);
CREATE INDEX ix_stored_logs_waiting ON stored_logs (id) WHERE state = 'building';

CREATE FUNCTION exhibit_guard_log_schedule() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR to_jsonb(NEW) - 'ended_at' IS DISTINCT FROM to_jsonb(OLD) - 'ended_at' THEN
        RAISE EXCEPTION 'a schedule ends once, and nothing else of it changes'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_log_schedule_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION exhibit_guard_stored_log() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    moves text[] := ARRAY['state', 'error', 'file_sha256', 'size_bytes'];
BEGIN
    IF to_jsonb(NEW) - moves IS DISTINCT FROM to_jsonb(OLD) - moves THEN
        RAISE EXCEPTION 'what a month''s log is of does not change'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_stored_log_stays';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER log_schedules_stay BEFORE UPDATE ON log_schedules
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_log_schedule();
CREATE TRIGGER log_schedules_kept BEFORE DELETE ON log_schedules
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER log_schedules_not_truncated BEFORE TRUNCATE ON log_schedules
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER log_schedules_need_entry AFTER INSERT OR UPDATE ON log_schedules
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream');
CREATE TRIGGER stored_logs_stay BEFORE UPDATE ON stored_logs
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_stored_log();
CREATE TRIGGER stored_logs_kept BEFORE DELETE ON stored_logs
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER stored_logs_not_truncated BEFORE TRUNCATE ON stored_logs
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER stored_logs_need_entry AFTER INSERT ON stored_logs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('stream');

GRANT SELECT, INSERT, UPDATE ON log_schedules, stored_logs TO exhibit_app;
"""

DOWN = """
DROP TABLE stored_logs;
DROP TABLE log_schedules;
DROP FUNCTION exhibit_guard_stored_log();
DROP FUNCTION exhibit_guard_log_schedule();
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
