"""A leaf stands for an entry: asked once a statement, label and log included, where a foreign key asked once a row.

And the guard of the queue asks along the keys: planned while the log was small, it read the whole log at each batch.
"""

from alembic import op

revision = "r50_leaf_guards"
down_revision = "r33_claims"
branch_labels = None
depends_on = None

PLANNED = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "jit")

LEAF_OF_ENTRY = """
CREATE FUNCTION exhibit_leaf_of_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wrong bigint;
BEGIN
    SELECT f.idx INTO wrong FROM fresh f WHERE NOT EXISTS (
        SELECT FROM public.ledger_entries e
        WHERE e.commitment = f.commitment AND e.label = f.label AND e.log_id = f.log_id
    ) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'leaf % stands for no entry of its log', wrong
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_leaf_of_entry';
    END IF;
    RETURN NULL;
END $$;
"""

TRIGGER = """
CREATE TRIGGER stands_for_entry AFTER INSERT ON ledger_leaves REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_leaf_of_entry();
ALTER TABLE ledger_leaves DROP CONSTRAINT fk_ledger_leaves_commitment_ledger_entries;
"""

DOWN = """
ALTER TABLE ledger_leaves ADD CONSTRAINT fk_ledger_leaves_commitment_ledger_entries
    FOREIGN KEY (commitment) REFERENCES ledger_entries (commitment);
DROP TRIGGER stands_for_entry ON ledger_leaves;
DROP FUNCTION exhibit_leaf_of_entry();
"""


def upgrade() -> None:
    op.execute(LEAF_OF_ENTRY)
    op.execute(TRIGGER)
    for function in ("exhibit_leaf_of_entry", "exhibit_leave_queue"):
        for setting in PLANNED:
            op.execute(f"ALTER FUNCTION {function}() SET {setting} = off")


def downgrade() -> None:
    for setting in PLANNED:
        op.execute(f"ALTER FUNCTION exhibit_leave_queue() RESET {setting}")
    op.execute(DOWN)
