"""Entries are found by who acted, on what, by which type of act, and when they were recorded."""

from alembic import op

revision = "r117_entry_indexes"
down_revision = "r118b_vault_keys"
branch_labels = None
depends_on = None

UP = """
CREATE INDEX ix_ledger_entries_actor_id ON ledger_entries (actor_id);
CREATE INDEX ix_ledger_entries_object_id ON ledger_entries (object_id);
CREATE INDEX ix_ledger_entries_type ON ledger_entries (type);
CREATE INDEX ix_ledger_entries_recorded_at ON ledger_entries USING brin (recorded_at);
"""

DOWN = """
DROP INDEX ix_ledger_entries_recorded_at;
DROP INDEX ix_ledger_entries_type;
DROP INDEX ix_ledger_entries_object_id;
DROP INDEX ix_ledger_entries_actor_id;
"""


def upgrade() -> None:
    op.execute(UP)


def downgrade() -> None:
    op.execute(DOWN)
