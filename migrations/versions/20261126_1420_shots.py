"""Shots of videos: what lies between two cuts, and the frame that stands for it. Append-only like fingerprints."""

from alembic import op

revision = "r32_shots"
down_revision = "r32_fingerprint_progress"
branch_labels = None
depends_on = None

UPGRADE = """
CREATE TABLE shots (
    blob_sha256 bytea NOT NULL CONSTRAINT fk_shots_blob_sha256_blobs REFERENCES blobs (sha256),
    version text NOT NULL,
    decoding integer NOT NULL,
    number integer NOT NULL,
    from_ms bigint NOT NULL,
    to_ms bigint NOT NULL,
    shown_ms bigint NOT NULL,
    CONSTRAINT pk_shots PRIMARY KEY (blob_sha256, version, decoding, number),
    CONSTRAINT fk_shots_decodings FOREIGN KEY (blob_sha256, decoding) REFERENCES decodings (blob_sha256, number),
    CONSTRAINT uq_shots_begin UNIQUE (blob_sha256, version, decoding, from_ms),
    CONSTRAINT ck_shots_has_length CHECK (number >= 0 AND from_ms >= 0 AND from_ms < to_ms),
    CONSTRAINT ck_shots_shows_itself CHECK (shown_ms >= from_ms AND shown_ms < to_ms)
);
CREATE TRIGGER shots_fixed BEFORE UPDATE OR DELETE ON shots
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER shots_not_truncated BEFORE TRUNCATE ON shots
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT, INSERT ON shots TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE shots")
