"""Local features of pictures, and of frames of videos: added, never changed."""

from alembic import op

revision = "r31_local_features"
down_revision = "r32_shots"
branch_labels = None
depends_on = None

# Descriptors are noise to a compressor: it is not tried.
UPGRADE = """
CREATE TABLE local_features (
    blob_sha256 bytea NOT NULL CONSTRAINT fk_local_features_blob_sha256_blobs REFERENCES blobs (sha256),
    version text NOT NULL,
    decoding integer NOT NULL,
    time_ms bigint NOT NULL,
    count smallint NOT NULL,
    points bytea NOT NULL,
    points_sha256 bytea NOT NULL CONSTRAINT ck_local_features_points_digest CHECK (points_sha256 = sha256(points)),
    CONSTRAINT pk_local_features PRIMARY KEY (blob_sha256, version, decoding, time_ms),
    CONSTRAINT fk_local_features_decodings FOREIGN KEY (blob_sha256, decoding)
        REFERENCES decodings (blob_sha256, number),
    CONSTRAINT ck_local_features_whole_points CHECK (
        CASE WHEN count = 0 THEN octet_length(points) = 0 ELSE octet_length(points) % count = 0 END)
);
ALTER TABLE local_features ALTER COLUMN points SET STORAGE EXTERNAL;
CREATE TRIGGER local_features_fixed BEFORE UPDATE OR DELETE ON local_features
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER local_features_not_truncated BEFORE TRUNCATE ON local_features
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT, INSERT ON local_features TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UPGRADE)


def downgrade() -> None:
    op.execute("DROP TABLE local_features")
