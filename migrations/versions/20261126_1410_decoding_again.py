"""A blob may be decoded again: decodings are numbered, and which one's fingerprints are in force is stated."""

from alembic import op

revision = "r34_decoding_again"
down_revision = "r29_key_periods"
branch_labels = None
depends_on = None

DECODINGS = """
ALTER TABLE decodings
    ADD COLUMN number integer NOT NULL DEFAULT 1 CONSTRAINT ck_decodings_number_counts CHECK (number >= 1),
    ADD COLUMN limits jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN rules text[] NOT NULL DEFAULT '{}';
ALTER TABLE decodings DISABLE TRIGGER decodings_fixed;
UPDATE decodings d SET number = numbered.number FROM (
    SELECT blob_sha256, decoder, row_number() OVER (PARTITION BY blob_sha256 ORDER BY decoded_at, decoder) AS number
    FROM decodings) numbered
WHERE d.blob_sha256 = numbered.blob_sha256 AND d.decoder = numbered.decoder AND numbered.number > 1;
UPDATE decodings d SET rules = CASE b.kind
    WHEN 'image' THEN ARRAY['pdq/1', 'phash/1', 'dhash/1', 'whash/1', 'colorhash/1'] ELSE ARRAY['pdq/1'] END
FROM blobs b WHERE b.sha256 = d.blob_sha256 AND b.kind IN ('image', 'video');
ALTER TABLE decodings ENABLE TRIGGER decodings_fixed;
ALTER TABLE decodings DROP CONSTRAINT pk_decodings, ADD CONSTRAINT pk_decodings PRIMARY KEY (blob_sha256, number);
"""

FINGERPRINTS = """
ALTER TABLE fingerprints ADD COLUMN decoding integer NOT NULL DEFAULT 1;
ALTER TABLE fingerprints DROP CONSTRAINT pk_fingerprints,
    ADD CONSTRAINT pk_fingerprints PRIMARY KEY (blob_sha256, version, decoding, time_ms, view),
    ADD CONSTRAINT fk_fingerprints_decodings FOREIGN KEY (blob_sha256, decoding)
        REFERENCES decodings (blob_sha256, number);
"""

IN_FORCE = """
CREATE TABLE rules_in_force (
    blob_sha256 bytea NOT NULL,
    rule text NOT NULL,
    decoding integer NOT NULL,
    CONSTRAINT pk_rules_in_force PRIMARY KEY (blob_sha256, rule),
    CONSTRAINT fk_rules_in_force_decodings FOREIGN KEY (blob_sha256, decoding)
        REFERENCES decodings (blob_sha256, number)
);
INSERT INTO rules_in_force (blob_sha256, rule, decoding)
    SELECT blob_sha256, unnest(rules), number FROM decodings WHERE number = 1;

CREATE FUNCTION exhibit_guard_rules_in_force() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (NEW.blob_sha256, NEW.rule) IS DISTINCT FROM (OLD.blob_sha256, OLD.rule) OR NEW.decoding <= OLD.decoding THEN
        RAISE EXCEPTION 'results in force are replaced by those of a later decoding only'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_guard_rules_in_force';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER rules_in_force_rise BEFORE UPDATE ON rules_in_force
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_rules_in_force();
CREATE TRIGGER rules_in_force_kept BEFORE DELETE ON rules_in_force
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER rules_in_force_not_truncated BEFORE TRUNCATE ON rules_in_force
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT, INSERT, UPDATE ON rules_in_force TO exhibit_app;
"""

EVIDENCE = """
ALTER TABLE evidence ADD COLUMN settled_decoding integer NOT NULL DEFAULT 0
    CONSTRAINT ck_evidence_settled_decoding_counts CHECK (settled_decoding >= 0);
UPDATE evidence e SET settled_decoding = (
    SELECT max(d.number) FROM decodings d WHERE d.blob_sha256 = e.blob_sha256)
WHERE e.fingerprint_status IN ('done', 'undecodable')
    AND EXISTS (SELECT FROM decodings d WHERE d.blob_sha256 = e.blob_sha256);
"""

NEEDS_ENTRY = """
DROP TRIGGER evidence_needs_entry ON evidence;
CREATE CONSTRAINT TRIGGER evidence_needs_entry
    AFTER INSERT OR UPDATE OF state, version, round, blob_sha256, fingerprint_status, fingerprint_reason, reason_code,
        {more}labels, lease_holder, lease_expires_at ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
"""

DOWNGRADE = """
ALTER TABLE evidence DROP COLUMN settled_decoding;
DROP TABLE rules_in_force;
DROP FUNCTION exhibit_guard_rules_in_force();
ALTER TABLE fingerprints DROP CONSTRAINT fk_fingerprints_decodings, DROP CONSTRAINT pk_fingerprints;
ALTER TABLE fingerprints DISABLE TRIGGER fingerprints_fixed;
DELETE FROM fingerprints f WHERE EXISTS (
    SELECT FROM fingerprints earlier WHERE earlier.decoding < f.decoding AND earlier.blob_sha256 = f.blob_sha256
        AND (earlier.version, earlier.time_ms, earlier.view) = (f.version, f.time_ms, f.view));
ALTER TABLE fingerprints ENABLE TRIGGER fingerprints_fixed;
ALTER TABLE fingerprints DROP COLUMN decoding,
    ADD CONSTRAINT pk_fingerprints PRIMARY KEY (blob_sha256, version, time_ms, view);
ALTER TABLE decodings DROP CONSTRAINT pk_decodings;
ALTER TABLE decodings DISABLE TRIGGER decodings_fixed;
DELETE FROM decodings d WHERE EXISTS (
    SELECT FROM decodings earlier WHERE earlier.number < d.number
        AND (earlier.blob_sha256, earlier.decoder) = (d.blob_sha256, d.decoder));
ALTER TABLE decodings ENABLE TRIGGER decodings_fixed;
ALTER TABLE decodings DROP COLUMN number, DROP COLUMN limits, DROP COLUMN rules,
    ADD CONSTRAINT pk_decodings PRIMARY KEY (blob_sha256, decoder);
"""


def upgrade() -> None:
    for script in (DECODINGS, FINGERPRINTS, IN_FORCE, EVIDENCE, NEEDS_ENTRY.replace("{more}", "settled_decoding, ")):
        op.execute(script)


def downgrade() -> None:
    """What was decoded twice by the same decoder loses the later results: the older schema cannot hold both."""
    op.execute(NEEDS_ENTRY.replace("{more}", ""))
    op.execute(DOWNGRADE)
