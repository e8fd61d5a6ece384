"""What an index of fingerprints follows: a number for each storing transaction, in the order of their commits."""

from alembic import op

revision = "r36_index_watermark"
down_revision = "r60_turns"
branch_labels = None
depends_on = None

# What was stored before has no number: whoever begins reads all of it, and 0 says that it did.
TABLE = """
CREATE TABLE fingerprint_batches (
    token uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_fingerprint_batches PRIMARY KEY,
    number bigint CONSTRAINT uq_fingerprint_batches_number UNIQUE,
    blob_sha256 bytea,
    decoding integer,
    CONSTRAINT fk_fingerprint_batches_decodings FOREIGN KEY (blob_sha256, decoding)
        REFERENCES decodings (blob_sha256, number),
    CONSTRAINT ck_fingerprint_batches_first_is_nobodys CHECK (
        (blob_sha256 IS NULL) = (number IS NOT DISTINCT FROM 0) AND (blob_sha256 IS NULL) = (decoding IS NULL))
);
CREATE UNIQUE INDEX ix_fingerprint_batches_open ON fingerprint_batches (blob_sha256, decoding) WHERE number IS NULL;
INSERT INTO fingerprint_batches (number) VALUES (0);
CREATE SEQUENCE fingerprint_batch_numbers;
CREATE TRIGGER fingerprint_batches_fixed BEFORE UPDATE OR DELETE ON fingerprint_batches
    FOR EACH ROW WHEN (OLD.number IS NOT NULL) EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER fingerprint_batches_not_truncated BEFORE TRUNCATE ON fingerprint_batches
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT ON fingerprint_batches TO exhibit_app;
"""

# 1163414583 is 0x45584C37. The lock is taken by the commit itself, after whatever else the transaction waits for, and
# held until others see what was committed: so whoever sees a number sees all that is under it.
FUNCTIONS = """
CREATE FUNCTION exhibit_open_fingerprint_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.fingerprint_batches (blob_sha256, decoding) VALUES (NEW.blob_sha256, NEW.decoding)
    ON CONFLICT (blob_sha256, decoding) WHERE number IS NULL DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER fingerprints_open_batch AFTER INSERT ON fingerprints
    FOR EACH ROW EXECUTE FUNCTION exhibit_open_fingerprint_batch();

CREATE FUNCTION exhibit_number_fingerprint_batch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(1163414583);
    UPDATE public.fingerprint_batches SET number = nextval('public.fingerprint_batch_numbers')
    WHERE token = NEW.token AND number IS NULL;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER fingerprint_batches_numbered AFTER INSERT ON fingerprint_batches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.number IS NULL)
    EXECUTE FUNCTION exhibit_number_fingerprint_batch();
"""

CHECKS = """
CREATE TABLE index_checks (
    id uuid NOT NULL CONSTRAINT pk_index_checks PRIMARY KEY,
    index_id uuid NOT NULL,
    at timestamptz NOT NULL,
    hashes bigint NOT NULL,
    queries integer NOT NULL,
    missing integer NOT NULL
);
CREATE INDEX ix_index_checks_at ON index_checks (at);
CREATE INDEX ix_index_checks_index_id ON index_checks (index_id);
CREATE TRIGGER index_checks_fixed BEFORE UPDATE OR DELETE ON index_checks
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER index_checks_not_truncated BEFORE TRUNCATE ON index_checks
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT, INSERT ON index_checks TO exhibit_app;
"""

DOWNGRADE = """
DROP TABLE index_checks;
DROP TRIGGER fingerprints_open_batch ON fingerprints;
DROP TABLE fingerprint_batches;
DROP SEQUENCE fingerprint_batch_numbers;
DROP FUNCTION exhibit_open_fingerprint_batch();
DROP FUNCTION exhibit_number_fingerprint_batch();
"""


def upgrade() -> None:
    for script in (TABLE, FUNCTIONS, CHECKS):
        op.execute(script)


def downgrade() -> None:
    op.execute(DOWNGRADE)
