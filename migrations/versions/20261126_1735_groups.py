"""What asking for a group needs: the copies of one case by their bytes, and the matches of a case."""

from alembic import op

revision = "r41_groups"
down_revision = "r37_views"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE INDEX ix_evidence_case_id_blob_sha256 ON evidence (case_id, blob_sha256);
CREATE INDEX ix_matches_case_id ON matches (case_id);
"""
DOWNGRADE = """
DROP INDEX ix_evidence_case_id_blob_sha256;
DROP INDEX ix_matches_case_id;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
