"""The job queue: Procrastinate's schema of version 3.10.0, copied, and the application's right to use it.

Copied, because this revision must make the same tables for ever; a later version's changes are a later revision.
"""

from pathlib import Path

from alembic import op

revision = "r02_jobs"
down_revision = "r01_ledger"
branch_labels = None
depends_on = None

SCHEMA = Path(__file__).parent.parent / "procrastinate_3_10_0.sql"
TABLES = "procrastinate_workers, procrastinate_jobs, procrastinate_periodic_defers, procrastinate_events"

GRANTS = f"""
GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO exhibit_app;
GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_periodic_defers_id_seq, procrastinate_events_id_seq,
    procrastinate_workers_id_seq TO exhibit_app;
"""

# By name: the functions' signatures are the library's, and a later revision may have replaced some of them.
DROP = f"""
DROP TABLE {TABLES} CASCADE;
DO $$
DECLARE routine record;
BEGIN
    FOR routine IN
        SELECT p.oid::regprocedure AS signature FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.proname LIKE 'procrastinate\\_%'
    LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', routine.signature);
    END LOOP;
END $$;
DROP TYPE procrastinate_job_to_defer_v1, procrastinate_job_event_type, procrastinate_job_status;
"""


def upgrade() -> None:
    # Through the driver: the file holds "%" and ":" that no parameter style may touch.
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(SCHEMA.read_text(encoding="utf-8"))
    op.execute(GRANTS)


def downgrade() -> None:
    connection = op.get_bind().connection.driver_connection
    assert connection is not None
    connection.execute(DROP)
