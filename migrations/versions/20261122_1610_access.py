"""Accounts, tokens, kept answers; cases, members, pseudonyms and policies."""

from alembic import op

revision = "r03_access"
down_revision = "r02_jobs"
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE accounts (
    id uuid NOT NULL CONSTRAINT pk_accounts PRIMARY KEY,
    name text NOT NULL,
    email text NOT NULL CONSTRAINT ck_accounts_email_lower_case CHECK (email = lower(email)),
    password_hash text,
    is_administrator boolean NOT NULL,
    is_auditor boolean NOT NULL,
    is_active boolean NOT NULL,
    created_at timestamptz NOT NULL,
    version integer NOT NULL
);
CREATE UNIQUE INDEX uq_accounts_email ON accounts (email);
CREATE INDEX ix_accounts_created_at_id ON accounts (created_at, id);

CREATE TABLE tokens (
    id uuid NOT NULL CONSTRAINT pk_tokens PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_tokens_account_id_accounts REFERENCES accounts (id),
    kind text NOT NULL CONSTRAINT ck_tokens_kind_word CHECK (kind IN ('session', 'token')),
    name text NOT NULL,
    secret_sha256 bytea NOT NULL CONSTRAINT uq_tokens_secret_sha256 UNIQUE,
    scopes text[] NOT NULL,
    case_ids uuid[],
    roles text[],
    made_by uuid CONSTRAINT fk_tokens_made_by_tokens REFERENCES tokens (id),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX ix_tokens_account_id_created_at_id ON tokens (account_id, created_at, id);
CREATE INDEX ix_tokens_made_by ON tokens (made_by);

CREATE TABLE sign_in_failures (
    id uuid NOT NULL CONSTRAINT pk_sign_in_failures PRIMARY KEY,
    email_sha256 bytea NOT NULL,
    failed_at timestamptz NOT NULL
);
CREATE INDEX ix_sign_in_failures_email_sha256_failed_at ON sign_in_failures (email_sha256, failed_at);

CREATE TABLE stored_answers (
    id uuid NOT NULL CONSTRAINT pk_stored_answers PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_stored_answers_account_id_accounts REFERENCES accounts (id),
    key text NOT NULL,
    operation text NOT NULL,
    request_sha256 bytea NOT NULL,
    status integer,
    body json,
    headers jsonb NOT NULL DEFAULT '{}'::jsonb,
    holds_secret boolean NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT uq_stored_answers_key UNIQUE (account_id, key)
);
CREATE INDEX ix_stored_answers_created_at ON stored_answers (created_at);

CREATE TABLE cases (
    id uuid NOT NULL CONSTRAINT pk_cases PRIMARY KEY,
    title text NOT NULL,
    description text,
    status text NOT NULL CONSTRAINT ck_cases_status_word CHECK (status IN ('open', 'closed')),
    policy_version integer NOT NULL,
    created_at timestamptz NOT NULL,
    version integer NOT NULL
);
CREATE INDEX ix_cases_created_at_id ON cases (created_at, id);

CREATE TABLE case_policies (
    case_id uuid NOT NULL CONSTRAINT fk_case_policies_case_id_cases REFERENCES cases (id),
    version integer NOT NULL,
    document jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT pk_case_policies PRIMARY KEY (case_id, version)
);

CREATE TABLE case_members (
    case_id uuid NOT NULL CONSTRAINT fk_case_members_case_id_cases REFERENCES cases (id),
    account_id uuid NOT NULL CONSTRAINT fk_case_members_account_id_accounts REFERENCES accounts (id),
    role text NOT NULL CONSTRAINT ck_case_members_role_word CHECK (role IN ('collector', 'verifier', 'coordinator',
        'researcher', 'legal_analyst', 'custodian', 'auditor')),
    granted_at timestamptz NOT NULL,
    CONSTRAINT pk_case_members PRIMARY KEY (case_id, account_id, role)
);
CREATE INDEX ix_case_members_account_id ON case_members (account_id);

CREATE TABLE case_pseudonyms (
    case_id uuid NOT NULL CONSTRAINT fk_case_pseudonyms_case_id_cases REFERENCES cases (id),
    account_id uuid NOT NULL CONSTRAINT fk_case_pseudonyms_account_id_accounts REFERENCES accounts (id),
    pseudonym uuid NOT NULL CONSTRAINT uq_case_pseudonyms_pseudonym UNIQUE,
    CONSTRAINT pk_case_pseudonyms PRIMARY KEY (case_id, account_id)
);
"""

# A pseudonym is in signed entries, and a policy's version is named by them: neither is ever changed. Of a token only
# the time of its last use changes without an entry.
GUARDS = """
CREATE TRIGGER case_pseudonyms_fixed BEFORE UPDATE OR DELETE ON case_pseudonyms
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER case_policies_fixed BEFORE UPDATE OR DELETE ON case_policies
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER accounts_need_entry AFTER INSERT OR UPDATE ON accounts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
CREATE CONSTRAINT TRIGGER tokens_need_entry AFTER INSERT OR UPDATE OF id, account_id, kind, name, secret_sha256, scopes,
    case_ids, roles, made_by, created_at, expires_at, revoked_at ON tokens
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
CREATE CONSTRAINT TRIGGER case_policies_need_entry AFTER INSERT ON case_policies
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE CONSTRAINT TRIGGER case_members_need_entry AFTER INSERT OR DELETE ON case_members
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('case_id');
CREATE CONSTRAINT TRIGGER cases_need_entry AFTER INSERT OR UPDATE ON cases
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('id');
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON accounts, tokens, cases TO exhibit_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON stored_answers TO exhibit_app;
GRANT SELECT, INSERT, DELETE ON sign_in_failures, case_members TO exhibit_app;
GRANT SELECT, INSERT ON case_policies, case_pseudonyms TO exhibit_app;
"""

DROPPED = (
    "case_pseudonyms",
    "case_members",
    "case_policies",
    "cases",
    "stored_answers",
    "sign_in_failures",
    "tokens",
    "accounts",
)


def upgrade() -> None:
    for script in (TABLES, GUARDS, GRANTS):
        op.execute(script)


def downgrade() -> None:
    for table in DROPPED:
        op.execute(f"DROP TABLE {table}")
