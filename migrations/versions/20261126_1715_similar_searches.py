"""Searches by a file that is not kept: the question while it waits, its answer for a quarter of an hour."""

from alembic import op

revision = "r43_similar_searches"
down_revision = "r38_feature_index"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE similar_searches (
    id uuid NOT NULL CONSTRAINT pk_similar_searches PRIMARY KEY,
    account_id uuid NOT NULL CONSTRAINT fk_similar_searches_account_id REFERENCES accounts (id),
    case_ids uuid[] NOT NULL,
    thresholds jsonb NOT NULL,
    tier text NOT NULL CONSTRAINT ck_similar_searches_tier_word CHECK (tier IN ('exact', 'same_picture', 'likely')),
    most integer NOT NULL,
    sha256 bytea,
    status text NOT NULL
        CONSTRAINT ck_similar_searches_status_word CHECK (status IN ('pending', 'done', 'failed')),
    outcome text,
    reason text,
    result jsonb,
    created_at timestamptz NOT NULL,
    finished_at timestamptz,
    expires_at timestamptz NOT NULL,
    CONSTRAINT ck_similar_searches_digest_while_pending CHECK ((status = 'pending') = (sha256 IS NOT NULL)),
    CONSTRAINT ck_similar_searches_result_when_done CHECK ((status = 'done') = (result IS NOT NULL)),
    CONSTRAINT ck_similar_searches_finished_when_not_pending CHECK ((status = 'pending') = (finished_at IS NULL)),
    CONSTRAINT ck_similar_searches_soon_forgotten CHECK (expires_at <= created_at + interval '1 day')
);
CREATE INDEX ix_similar_searches_expires_at ON similar_searches (expires_at);
CREATE INDEX ix_similar_searches_account_id_pending ON similar_searches (account_id) WHERE status = 'pending';
GRANT SELECT, INSERT, UPDATE, DELETE ON similar_searches TO exhibit_app;
"""

DOWN = """
DROP TABLE similar_searches;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
