"""Which witnesses' contradiction ends the log; and each witness's own cosignatures, found at once."""

from alembic import op

revision = "r30_witness_quorums"
down_revision = "r22_ledger_guards"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE witnesses ADD COLUMN ends_log boolean NOT NULL DEFAULT false;
ALTER TABLE witnesses ADD CONSTRAINT ck_witnesses_only_an_alarm_ends_log CHECK (state = 'alarm' OR NOT ends_log);
CREATE INDEX ix_ledger_cosignatures_log_id_public_key_size ON ledger_cosignatures (log_id, public_key, size);
"""

DOWN = """
DROP INDEX ix_ledger_cosignatures_log_id_public_key_size;
ALTER TABLE witnesses DROP COLUMN ends_log;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
