"""Evidence items, blobs, what was made or claimed from them; fingerprints, matches and decisions about them."""

from alembic import op

revision = "r04_evidence"
down_revision = "r03_access"
branch_labels = None
depends_on = None

EVIDENCE = """
CREATE TABLE blobs (
    sha256 bytea NOT NULL CONSTRAINT pk_blobs PRIMARY KEY
        CONSTRAINT ck_blobs_sha256_size CHECK (octet_length(sha256) = 32),
    size_bytes bigint NOT NULL CONSTRAINT ck_blobs_size_positive CHECK (size_bytes > 0),
    media_type text,
    extension text,
    kind text,
    first_received_at timestamptz NOT NULL
);

CREATE TABLE evidence (
    id uuid NOT NULL CONSTRAINT pk_evidence PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_evidence_case_id_cases REFERENCES cases (id),
    state text NOT NULL CONSTRAINT ck_evidence_state_word CHECK (state IN ('lead', 'declined', 'collected',
        'preserved', 'quarantined', 'in_verification', 'awaiting_peer_review', 'disputed', 'awaiting_sign_off',
        'signed_off')),
    version integer NOT NULL,
    round integer NOT NULL,
    blob_sha256 bytea CONSTRAINT fk_evidence_blob_sha256_blobs REFERENCES blobs (sha256),
    fingerprint_status text CONSTRAINT ck_evidence_fingerprint_status_word
        CHECK (fingerprint_status IN ('pending', 'done', 'undecodable', 'failed')),
    fingerprint_reason text,
    registered_by uuid NOT NULL CONSTRAINT fk_evidence_registered_by_accounts REFERENCES accounts (id),
    registered_at timestamptz NOT NULL,
    received_by uuid CONSTRAINT fk_evidence_received_by_accounts REFERENCES accounts (id),
    received_at timestamptz,
    lead_address text,
    lead_claim text,
    reason_code text,
    collector text,
    method text,
    tool text,
    acquired_at timestamptz,
    source text,
    source_address text,
    claimed_from timestamptz,
    claimed_to timestamptz,
    claimed_place text,
    file_name text,
    media_type_claimed text,
    notes text,
    labels jsonb,
    lease_holder uuid CONSTRAINT fk_evidence_lease_holder_accounts REFERENCES accounts (id),
    lease_expires_at timestamptz,
    CONSTRAINT ck_evidence_bytes_from_collected_on CHECK ((blob_sha256 IS NULL) = (state IN ('lead', 'declined'))),
    CONSTRAINT ck_evidence_status_with_bytes CHECK ((blob_sha256 IS NULL) = (fingerprint_status IS NULL)),
    CONSTRAINT ck_evidence_lease_has_expiry CHECK ((lease_holder IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT ck_evidence_acquisition_with_bytes CHECK (blob_sha256 IS NULL OR (collector IS NOT NULL
        AND method IS NOT NULL AND acquired_at IS NOT NULL AND source IS NOT NULL AND received_by IS NOT NULL
        AND received_at IS NOT NULL)),
    CONSTRAINT ck_evidence_lead_has_ground CHECK (blob_sha256 IS NOT NULL OR lead_address IS NOT NULL
        OR lead_claim IS NOT NULL)
);
CREATE INDEX ix_evidence_case_id_registered_at_id ON evidence (case_id, registered_at, id);
CREATE INDEX ix_evidence_blob_sha256 ON evidence (blob_sha256);

CREATE TABLE evidence_corrections (
    id uuid NOT NULL CONSTRAINT pk_evidence_corrections PRIMARY KEY,
    evidence_id uuid NOT NULL CONSTRAINT fk_evidence_corrections_evidence_id_evidence REFERENCES evidence (id),
    number integer NOT NULL,
    field text NOT NULL,
    value jsonb NOT NULL,
    reason text NOT NULL,
    corrected_by uuid NOT NULL CONSTRAINT fk_evidence_corrections_corrected_by_accounts REFERENCES accounts (id),
    corrected_at timestamptz NOT NULL,
    CONSTRAINT uq_evidence_corrections_number UNIQUE (evidence_id, number)
);

CREATE TABLE decodings (
    blob_sha256 bytea NOT NULL CONSTRAINT fk_decodings_blob_sha256_blobs REFERENCES blobs (sha256),
    decoder text NOT NULL,
    outcome text NOT NULL,
    reason text,
    claims jsonb NOT NULL,
    decoded_at timestamptz NOT NULL,
    CONSTRAINT pk_decodings PRIMARY KEY (blob_sha256, decoder)
);

CREATE TABLE derivatives (
    id uuid NOT NULL CONSTRAINT pk_derivatives PRIMARY KEY,
    blob_sha256 bytea NOT NULL CONSTRAINT fk_derivatives_blob_sha256_blobs REFERENCES blobs (sha256),
    kind text NOT NULL CONSTRAINT ck_derivatives_kind_word CHECK (kind IN ('preview')),
    tool text NOT NULL,
    tool_version text NOT NULL,
    parameters jsonb NOT NULL,
    parameters_sha256 bytea NOT NULL,
    sha256 bytea NOT NULL,
    size_bytes bigint NOT NULL,
    media_type text NOT NULL CONSTRAINT ck_derivatives_media_type_word
        CHECK (media_type IN ('image/jpeg', 'image/webp', 'image/png')),
    made_at timestamptz NOT NULL,
    CONSTRAINT uq_derivatives_once UNIQUE (blob_sha256, kind, parameters_sha256)
);

CREATE TABLE evidence_views (
    evidence_id uuid NOT NULL CONSTRAINT fk_evidence_views_evidence_id_evidence REFERENCES evidence (id),
    account_id uuid NOT NULL CONSTRAINT fk_evidence_views_account_id_accounts REFERENCES accounts (id),
    act text NOT NULL,
    rendering text NOT NULL CONSTRAINT ck_evidence_views_rendering_word CHECK (rendering IN ('original')),
    purpose text NOT NULL,
    logged_at timestamptz NOT NULL,
    CONSTRAINT pk_evidence_views PRIMARY KEY (evidence_id, account_id, act, rendering, purpose)
);
"""

MATCHING = """
CREATE TABLE fingerprints (
    blob_sha256 bytea NOT NULL CONSTRAINT fk_fingerprints_blob_sha256_blobs REFERENCES blobs (sha256),
    algorithm text NOT NULL,
    version text NOT NULL,
    time_ms bigint NOT NULL,
    view text NOT NULL,
    value bytea NOT NULL,
    quality smallint,
    CONSTRAINT pk_fingerprints PRIMARY KEY (blob_sha256, version, time_ms, view)
);

CREATE TABLE blob_matches (
    key bytea NOT NULL CONSTRAINT pk_blob_matches PRIMARY KEY,
    query_sha256 bytea NOT NULL CONSTRAINT fk_blob_matches_query_sha256_blobs REFERENCES blobs (sha256),
    reference_sha256 bytea NOT NULL CONSTRAINT fk_blob_matches_reference_sha256_blobs REFERENCES blobs (sha256),
    rule text NOT NULL,
    tier text NOT NULL CONSTRAINT ck_blob_matches_tier_word CHECK (tier IN ('same_picture', 'likely')),
    grounds jsonb NOT NULL,
    segments jsonb NOT NULL,
    found_at timestamptz NOT NULL
);
CREATE INDEX ix_blob_matches_query_sha256 ON blob_matches (query_sha256);
CREATE INDEX ix_blob_matches_reference_sha256 ON blob_matches (reference_sha256);

CREATE TABLE matches (
    id uuid NOT NULL CONSTRAINT pk_matches PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_matches_case_id_cases REFERENCES cases (id),
    first_id uuid NOT NULL CONSTRAINT fk_matches_first_id_evidence REFERENCES evidence (id),
    second_id uuid NOT NULL CONSTRAINT fk_matches_second_id_evidence REFERENCES evidence (id),
    query_id uuid NOT NULL,
    blob_match bytea CONSTRAINT fk_matches_blob_match_blob_matches REFERENCES blob_matches (key),
    tier text NOT NULL CONSTRAINT ck_matches_tier_word CHECK (tier IN ('exact', 'same_picture', 'likely')),
    found_at timestamptz NOT NULL,
    CONSTRAINT uq_matches_pair UNIQUE (first_id, second_id),
    CONSTRAINT ck_matches_ordered CHECK (first_id < second_id),
    CONSTRAINT ck_matches_query_is_one CHECK (query_id IN (first_id, second_id)),
    CONSTRAINT ck_matches_explained CHECK ((tier = 'exact') = (blob_match IS NULL))
);
CREATE INDEX ix_matches_second_id ON matches (second_id);

CREATE TABLE relations (
    id uuid NOT NULL CONSTRAINT pk_relations PRIMARY KEY,
    match_id uuid NOT NULL CONSTRAINT fk_relations_match_id_matches REFERENCES matches (id),
    number integer NOT NULL,
    evidence_id uuid NOT NULL CONSTRAINT fk_relations_evidence_id_evidence REFERENCES evidence (id),
    other_id uuid NOT NULL CONSTRAINT fk_relations_other_id_evidence REFERENCES evidence (id),
    relation text NOT NULL CONSTRAINT ck_relations_relation_word CHECK (relation IN ('exact_copy', 'same_capture',
        'excerpt_of', 'contains', 'edited_from', 'same_event_other_camera', 'unrelated', 'potential')),
    reason text NOT NULL,
    decided_by uuid NOT NULL CONSTRAINT fk_relations_decided_by_accounts REFERENCES accounts (id),
    decided_at timestamptz NOT NULL,
    CONSTRAINT uq_relations_number UNIQUE (match_id, number)
);
CREATE INDEX ix_relations_evidence_id ON relations (evidence_id);
CREATE INDEX ix_relations_other_id ON relations (other_id);
"""

# The pairs are those of app.media.rules.TRANSITIONS; a test compares them. `exhibit_evidence_moves()` lists them so.
MOVES = (
    ("lead", "declined"),
    ("lead", "collected"),
    ("collected", "preserved"),
    ("collected", "quarantined"),
    ("preserved", "in_verification"),
    ("in_verification", "awaiting_peer_review"),
    ("awaiting_peer_review", "in_verification"),
    ("awaiting_peer_review", "awaiting_sign_off"),
    ("awaiting_peer_review", "disputed"),
    ("disputed", "awaiting_sign_off"),
    ("disputed", "in_verification"),
    ("awaiting_sign_off", "signed_off"),
    ("awaiting_sign_off", "in_verification"),
    ("signed_off", "in_verification"),
)

FUNCTIONS = (
    """
CREATE FUNCTION exhibit_evidence_moves() RETURNS TABLE (state_before text, state_after text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    VALUES {moves}
$$;
""".format(moves=", ".join(f"('{before}', '{after}')" for before, after in MOVES))
    + """
CREATE FUNCTION exhibit_guard_evidence() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.state NOT IN ('lead', 'collected') OR NEW.version <> 1 OR NEW.round <> 0 THEN
            RAISE EXCEPTION 'an item begins as a lead or collected, at version 1'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_state_moves';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.state <> OLD.state THEN
        IF NOT EXISTS (
            SELECT FROM public.exhibit_evidence_moves() m
            WHERE m.state_before = OLD.state AND m.state_after = NEW.state
        ) THEN
            RAISE EXCEPTION 'no event leads from % to %', OLD.state, NEW.state
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_state_moves';
        END IF;
        IF NEW.version <= OLD.version THEN
            RAISE EXCEPTION 'a change of state is a new version'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_state_moves';
        END IF;
    END IF;
    IF NEW.version < OLD.version OR NEW.round < OLD.round
        OR (NEW.id, NEW.case_id, NEW.registered_by, NEW.registered_at, NEW.lead_address, NEW.lead_claim)
            IS DISTINCT FROM
           (OLD.id, OLD.case_id, OLD.registered_by, OLD.registered_at, OLD.lead_address, OLD.lead_claim)
    THEN
        RAISE EXCEPTION 'the registration of item % is fixed', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_fields_frozen';
    END IF;
    -- The bytes and how they were acquired are fixed from the moment they are there: corrections are new records.
    IF OLD.blob_sha256 IS NOT NULL
        AND (NEW.blob_sha256, NEW.received_by, NEW.received_at, NEW.collector, NEW.method, NEW.tool, NEW.acquired_at,
             NEW.source, NEW.source_address, NEW.claimed_from, NEW.claimed_to, NEW.claimed_place, NEW.file_name,
             NEW.media_type_claimed, NEW.notes)
            IS DISTINCT FROM
            (OLD.blob_sha256, OLD.received_by, OLD.received_at, OLD.collector, OLD.method, OLD.tool, OLD.acquired_at,
             OLD.source, OLD.source_address, OLD.claimed_from, OLD.claimed_to, OLD.claimed_place, OLD.file_name,
             OLD.media_type_claimed, OLD.notes)
    THEN
        RAISE EXCEPTION 'the acquisition of item % is fixed', OLD.id
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'evidence_fields_frozen';
    END IF;
    RETURN NEW;
END $$;
"""
)

GUARDS = """
CREATE TRIGGER evidence_state_moves BEFORE INSERT OR UPDATE ON evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_evidence();
CREATE TRIGGER evidence_kept BEFORE DELETE ON evidence
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER evidence_needs_entry
    AFTER INSERT OR UPDATE OF state, version, round, blob_sha256, fingerprint_status, fingerprint_reason, reason_code,
        labels, lease_holder, lease_expires_at ON evidence
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
CREATE CONSTRAINT TRIGGER evidence_corrections_need_entry AFTER INSERT ON evidence_corrections
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER evidence_views_need_entry AFTER INSERT OR UPDATE ON evidence_views
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER matches_need_entry_first AFTER INSERT ON matches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('first_id');
CREATE CONSTRAINT TRIGGER matches_need_entry_second AFTER INSERT ON matches
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('second_id');
CREATE CONSTRAINT TRIGGER relations_need_entry AFTER INSERT ON relations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
CREATE CONSTRAINT TRIGGER relations_need_entry_other AFTER INSERT ON relations
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('other_id');
"""

APPEND_ONLY = (
    "blobs",
    "evidence_corrections",
    "decodings",
    "derivatives",
    "fingerprints",
    "blob_matches",
    "matches",
    "relations",
)

FIXED = """
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
"""

TRUNCATION = """
CREATE TRIGGER {table}_not_truncated BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON evidence, evidence_views TO exhibit_app;
GRANT SELECT, INSERT ON blobs, evidence_corrections, decodings, derivatives, fingerprints, blob_matches, matches,
    relations TO exhibit_app;
"""

DROPPED = (
    "relations",
    "matches",
    "blob_matches",
    "fingerprints",
    "evidence_views",
    "derivatives",
    "decodings",
    "evidence_corrections",
    "evidence",
    "blobs",
)


def upgrade() -> None:
    for script in (EVIDENCE, MATCHING, FUNCTIONS, GUARDS, GRANTS):
        op.execute(script)
    for table in APPEND_ONLY:
        op.execute(FIXED.format(table=table))
    for table in (*APPEND_ONLY, "evidence", "evidence_views"):
        op.execute(TRUNCATION.format(table=table))


def downgrade() -> None:
    for table in DROPPED:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION exhibit_guard_evidence(), exhibit_evidence_moves()")
