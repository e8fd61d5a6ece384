"""Workers report how well their decoder is confined; a degraded one has its entry in the system stream."""

from alembic import op

revision = "r28_decoder_reports"
down_revision = "r24_reviewer_keys"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE decoder_reports (
    id uuid NOT NULL CONSTRAINT pk_decoder_reports PRIMARY KEY,
    reported_at timestamptz NOT NULL,
    mode text NOT NULL CONSTRAINT ck_decoder_reports_mode_word CHECK (mode IN ('strict', 'degraded')),
    walls text[] NOT NULL,
    escapes text[] NOT NULL,
    versions jsonb NOT NULL
);
CREATE INDEX ix_decoder_reports_reported_at ON decoder_reports (reported_at);
CREATE CONSTRAINT TRIGGER require_entry AFTER INSERT ON decoder_reports
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.mode = 'degraded') EXECUTE FUNCTION exhibit_require_entry();
GRANT SELECT, INSERT ON decoder_reports TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE decoder_reports")
