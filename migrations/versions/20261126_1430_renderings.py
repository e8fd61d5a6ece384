"""Thumbnails and strips of frames beside the safe preview; looking at one is a read of content."""

from alembic import op

revision = "r33b_renderings"
down_revision = "r31_local_features"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_kind_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_kind_word CHECK (kind IN ('preview', 'thumbnail', 'strip'));
ALTER TABLE derivatives ADD COLUMN details jsonb NOT NULL DEFAULT '{}';
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word
    CHECK (rendering IN ('original', 'thumbnail', 'strip'));
"""

# What the older schema has no word for goes: the entries about it stay in the ledger.
DOWN = """
ALTER TABLE derivatives DISABLE TRIGGER derivatives_fixed;
DELETE FROM derivatives WHERE kind <> 'preview';
ALTER TABLE derivatives ENABLE TRIGGER derivatives_fixed;
DELETE FROM evidence_views WHERE rendering <> 'original';
ALTER TABLE derivatives DROP COLUMN details;
ALTER TABLE derivatives DROP CONSTRAINT ck_derivatives_kind_word;
ALTER TABLE derivatives ADD CONSTRAINT ck_derivatives_kind_word CHECK (kind IN ('preview'));
ALTER TABLE evidence_views DROP CONSTRAINT ck_evidence_views_rendering_word;
ALTER TABLE evidence_views ADD CONSTRAINT ck_evidence_views_rendering_word CHECK (rendering IN ('original'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UP)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWN)
