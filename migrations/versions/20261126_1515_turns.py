"""How many new files of one person wait for the decoder, found at once."""

from alembic import op

revision = "r60_turns"
down_revision = "r33b_renderings"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_evidence_received_by_waiting ON evidence (received_by)
    WHERE fingerprint_status = 'pending' AND settled_decoding = 0;
"""

DOWN = """
DROP INDEX ix_evidence_received_by_waiting;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
