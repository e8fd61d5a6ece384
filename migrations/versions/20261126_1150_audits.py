"""The self-audits' entries, few among the system stream's many, are found at once."""

from alembic import op

revision = "r26_audits"
down_revision = "r25_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE INDEX ix_ledger_entries_audits ON ledger_entries (id) WHERE type = 'system.audited'")


def downgrade() -> None:
    op.execute("DROP INDEX ix_ledger_entries_audits")
