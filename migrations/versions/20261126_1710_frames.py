"""Working pictures in one file; looking at one, or at a comparison drawn from them, is a read of content."""

from alembic import op

revision = "r40_frames"
down_revision = "r36_index_watermark"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_kind_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_kind_word
    CHECK (kind IN ('preview', 'thumbnail', 'strip', 'frames'));
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_media_type_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_media_type_word
    CHECK (media_type IN ('image/jpeg', 'image/webp', 'image/png', 'application/zip'));
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word
    CHECK (rendering IN ('original', 'thumbnail', 'strip', 'frame', 'comparison'));
"""

# What the older schema has no word for goes: the entries about it stay in the ledger.
DOWN = """
ALTER TABLE derivatives DISABLE TRIGGER derivatives_fixed;
DELETE FROM derivatives WHERE kind = 'frames';
ALTER TABLE derivatives ENABLE TRIGGER derivatives_fixed;
DELETE FROM evidence_views WHERE rendering IN ('frame', 'comparison');
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_kind_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_kind_word CHECK (kind IN ('preview', 'thumbnail', 'strip'));
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_media_type_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_media_type_word
    CHECK (media_type IN ('image/jpeg', 'image/webp', 'image/png'));
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word
    CHECK (rendering IN ('original', 'thumbnail', 'strip'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
