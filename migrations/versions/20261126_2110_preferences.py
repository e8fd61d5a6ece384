"""What a person wants to be offered, seen by that person alone: without an entry, and gone when they take it away."""

from alembic import op

revision = "r77_preferences"
down_revision = "r79_recycled"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE preferences (
    account_id uuid NOT NULL CONSTRAINT pk_preferences PRIMARY KEY
        CONSTRAINT fk_preferences_account_id_accounts REFERENCES accounts (id),
    languages text[] NOT NULL,
    graphic_level_at_most text CONSTRAINT ck_preferences_graphic_level_at_most_word
        CHECK (graphic_level_at_most IN ('none', 'mild')),
    opt_outs text[] NOT NULL CONSTRAINT ck_preferences_opt_outs_words
        CHECK (opt_outs <@ ARRAY['child', 'sexual_violence', 'distressing_audio']::text[])
);
GRANT SELECT, INSERT, UPDATE, DELETE ON preferences TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute("DROP TABLE preferences")
