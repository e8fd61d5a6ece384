"""Local features of a part of a picture, by themselves: an inset, a cell of a collage."""

from alembic import op

revision = "r74_parts"
down_revision = "r80_blind"
branch_labels = None
depends_on = None

UPGRADE = r"""
ALTER TABLE local_features DROP CONSTRAINT ck_local_features_view_word;
ALTER TABLE local_features ADD CONSTRAINT ck_local_features_view_word
    CHECK (view IN ('identity', 'mirror') OR view ~ '^part(\.[0-9]{1,4}){5}$');
"""

# What the release before has no word for goes, and is due again when there is a release that has.
DOWNGRADE = """
ALTER TABLE rules_in_force DISABLE TRIGGER rules_in_force_kept;
DELETE FROM rules_in_force WHERE rule = 'views/2';
ALTER TABLE rules_in_force ENABLE TRIGGER rules_in_force_kept;
ALTER TABLE local_features DISABLE TRIGGER local_features_fixed;
DELETE FROM local_features WHERE starts_with(view, 'part.');
ALTER TABLE local_features ENABLE TRIGGER local_features_fixed;
ALTER TABLE local_features DROP CONSTRAINT ck_local_features_view_word;
ALTER TABLE local_features ADD CONSTRAINT ck_local_features_view_word CHECK (view IN ('identity', 'mirror'));
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(UPGRADE)


def downgrade() -> None:
    op.get_bind().exec_driver_sql(DOWNGRADE)
