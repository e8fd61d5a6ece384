"""Local features of a mirrored picture beside its own; and the views of parts of a picture go when this does."""

from alembic import op

revision = "r37_views"
down_revision = "r40_frames"
branch_labels = None
depends_on = None

UPGRADE = """
ALTER TABLE local_features
    ADD COLUMN view text NOT NULL DEFAULT 'identity'
        CONSTRAINT ck_local_features_view_word CHECK (view IN ('identity', 'mirror')),
    DROP CONSTRAINT pk_local_features;
ALTER TABLE local_features ADD CONSTRAINT pk_local_features PRIMARY KEY (blob_sha256, version, decoding, time_ms, view);
"""

# The release before knows the eight symmetries of a whole picture, and one set of points. What it does not know goes,
# and is due again when there is a release that does.
DOWNGRADE = """
ALTER TABLE rules_in_force DISABLE TRIGGER rules_in_force_kept;
DELETE FROM rules_in_force WHERE rule = 'views/1';
ALTER TABLE rules_in_force ENABLE TRIGGER rules_in_force_kept;
ALTER TABLE fingerprints DISABLE TRIGGER fingerprints_fixed;
DELETE FROM fingerprints WHERE view LIKE '%.%';
ALTER TABLE fingerprints ENABLE TRIGGER fingerprints_fixed;
ALTER TABLE local_features DISABLE TRIGGER local_features_fixed;
DELETE FROM local_features WHERE view <> 'identity';
ALTER TABLE local_features ENABLE TRIGGER local_features_fixed;
ALTER TABLE local_features DROP CONSTRAINT pk_local_features, DROP COLUMN view,
    ADD CONSTRAINT pk_local_features PRIMARY KEY (blob_sha256, version, decoding, time_ms);
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
