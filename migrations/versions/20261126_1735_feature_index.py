"""The index of local features follows the same numbers as that of the hashes; a check says which index it was of."""

from alembic import op

revision = "r38_feature_index"
down_revision = "r39_matches"
branch_labels = None
depends_on = None

# Points may be stored without hashes, by rules that fingerprint again. A decoding's points come in one transaction with
# its hashes as a rule: then the batch is open already.
UPGRADE = """
CREATE TRIGGER local_features_open_batch AFTER INSERT ON local_features
    FOR EACH ROW EXECUTE FUNCTION exhibit_open_fingerprint_batch();
ALTER TABLE index_checks ADD COLUMN name text NOT NULL DEFAULT 'fingerprints'
    CONSTRAINT ck_index_checks_name_word CHECK (name IN ('fingerprints', 'features'));
"""

DOWNGRADE = """
DROP TRIGGER local_features_open_batch ON local_features;
ALTER TABLE index_checks DROP COLUMN name;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute(DOWNGRADE)
