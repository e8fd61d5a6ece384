"""Notices to coordinators: a signed-off item's pictures are known from before its event, as it turns out."""

from alembic import op

revision = "r79_notices"
down_revision = "r77_preferences"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE recycled_notices (
    id uuid NOT NULL CONSTRAINT pk_recycled_notices PRIMARY KEY,
    case_id uuid NOT NULL CONSTRAINT fk_recycled_notices_case_id_cases REFERENCES cases (id),
    evidence_id uuid NOT NULL CONSTRAINT fk_recycled_notices_evidence_id_evidence REFERENCES evidence (id),
    match_id uuid NOT NULL CONSTRAINT fk_recycled_notices_match_id_matches REFERENCES matches (id),
    earliest_at timestamptz NOT NULL,
    basis text NOT NULL CONSTRAINT ck_recycled_notices_basis_word
        CHECK (basis IN ('registered', 'acquired', 'claimed', 'file')),
    found_at timestamptz NOT NULL,
    CONSTRAINT uq_recycled_notices_once UNIQUE (evidence_id, match_id, earliest_at)
);
CREATE INDEX ix_recycled_notices_case_id_found_at ON recycled_notices (case_id, found_at, id);
CREATE TRIGGER recycled_notices_fixed BEFORE UPDATE OR DELETE ON recycled_notices
    FOR EACH ROW EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER recycled_notices_refuse_truncate BEFORE TRUNCATE ON recycled_notices
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER recycled_notices_need_entry AFTER INSERT ON recycled_notices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
GRANT SELECT, INSERT ON recycled_notices TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE recycled_notices")
