"""The steps between the blurred preview and the original, by their names."""

from alembic import op

revision = "r85_steps"
down_revision = "r82_gradings"
branch_labels = None
depends_on = None

RENDERINGS = """
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
{before}
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word CHECK (rendering IN ({words}));
"""
BEFORE = "'original', 'thumbnail', 'strip', 'frame', 'comparison'"
ADDED = "'preview_softened', 'preview_grey', 'strip_softened', 'strip_grey'"


def upgrade() -> None:
    op.execute(RENDERINGS.format(before="", words=f"{BEFORE}, {ADDED}"))


def downgrade() -> None:
    forgotten = f"DELETE FROM evidence_views WHERE rendering IN ({ADDED});"
    op.execute(RENDERINGS.format(before=forgotten, words=BEFORE))
