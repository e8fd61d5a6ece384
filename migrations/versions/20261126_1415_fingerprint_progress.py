"""How far the decoding of an item has come. No state of the domain: no entry, and rows come and go."""

from alembic import op

revision = "r32_fingerprint_progress"
down_revision = "r50_leaf_guards"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE fingerprint_progress (
    evidence_id uuid NOT NULL CONSTRAINT pk_fingerprint_progress PRIMARY KEY
        CONSTRAINT fk_fingerprint_progress_evidence_id_evidence REFERENCES evidence (id),
    decoded_ms bigint NOT NULL,
    claimed_ms bigint,
    reported_at timestamptz NOT NULL,
    CONSTRAINT ck_fingerprint_progress_times CHECK (decoded_ms >= 0 AND claimed_ms > 0)
);
GRANT SELECT, INSERT, UPDATE, DELETE ON fingerprint_progress TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE fingerprint_progress")
