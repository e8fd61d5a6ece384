"""Cosignatures and time stamps belong to a checkpoint of one log."""

from alembic import op

revision = "r23b_anchors_of_logs"
down_revision = "r28_decoder_reports"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE ledger_cosignatures ADD CONSTRAINT fk_ledger_cosignatures_log_id_size_ledger_checkpoints
    FOREIGN KEY (log_id, size) REFERENCES ledger_checkpoints (log_id, size);
ALTER TABLE anchors ADD CONSTRAINT fk_anchors_log_id_size_ledger_checkpoints
    FOREIGN KEY (log_id, size) REFERENCES ledger_checkpoints (log_id, size);
ALTER TABLE witnesses ADD CONSTRAINT fk_witnesses_log_id_ledger_logs
    FOREIGN KEY (log_id) REFERENCES ledger_logs (id);
"""

DOWN = """
ALTER TABLE witnesses DROP CONSTRAINT fk_witnesses_log_id_ledger_logs;
ALTER TABLE anchors DROP CONSTRAINT fk_anchors_log_id_size_ledger_checkpoints;
ALTER TABLE ledger_cosignatures DROP CONSTRAINT fk_ledger_cosignatures_log_id_size_ledger_checkpoints;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
