"""Notices of questions about recycled footage that ended: what a signed-off verdict answered is no longer so."""

from alembic import op

revision = "r118_recycled_both_ways"
down_revision = "r101c_self_review"
branch_labels = None
depends_on = None

# The default stays: what writes without a kind tells of a question that was opened.
UP = """
ALTER TABLE recycled_notices ADD COLUMN kind text NOT NULL DEFAULT 'opened'
    CONSTRAINT ck_recycled_notices_kind_word CHECK (kind IN ('opened', 'ended'));
ALTER TABLE recycled_notices ALTER COLUMN basis DROP NOT NULL;
ALTER TABLE recycled_notices ADD CONSTRAINT ck_recycled_notices_basis_of_opened
    CHECK ((kind = 'opened') = (basis IS NOT NULL));
ALTER TABLE recycled_notices DROP CONSTRAINT uq_recycled_notices_once;
ALTER TABLE recycled_notices ADD CONSTRAINT uq_recycled_notices_once UNIQUE (evidence_id, match_id, kind, earliest_at);
"""

DOWN = """
ALTER TABLE recycled_notices DISABLE TRIGGER recycled_notices_fixed;
DELETE FROM recycled_notices WHERE kind = 'ended';
ALTER TABLE recycled_notices ENABLE TRIGGER recycled_notices_fixed;
ALTER TABLE recycled_notices DROP CONSTRAINT uq_recycled_notices_once;
ALTER TABLE recycled_notices DROP CONSTRAINT ck_recycled_notices_basis_of_opened;
ALTER TABLE recycled_notices DROP COLUMN kind;
ALTER TABLE recycled_notices ALTER COLUMN basis SET NOT NULL;
ALTER TABLE recycled_notices ADD CONSTRAINT uq_recycled_notices_once UNIQUE (evidence_id, match_id, earliest_at);
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
