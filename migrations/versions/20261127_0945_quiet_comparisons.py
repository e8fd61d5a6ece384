"""Of what is found across cases the item that was compared has an entry, which does not say what, and no other item has
one: matches, tiers and notices are held to it; and that a notice was acknowledged to one in the system stream."""

from alembic import op

revision = "r125_quiet_comparisons"
down_revision = "r124"
branch_labels = None
depends_on = None

FUNCTIONS = """
CREATE FUNCTION exhibit_is_entered(of_stream uuid, of_type text) RETURNS boolean LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (
        SELECT FROM public.ledger_streams s JOIN public.ledger_entries e ON e.stream_id = s.id AND e.seq = s.head_seq
        WHERE s.id = of_stream AND e.type = coalesce(of_type, e.type) AND e.xact = pg_current_xact_id()
    )
$$;
COMMENT ON FUNCTION exhibit_is_entered(uuid, text) IS
    'Whether the last entry of the stream, which is locked until the commit, is of this transaction and of that type.';

CREATE FUNCTION exhibit_require_match_entry() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    is_across boolean;
    is_entered boolean;
BEGIN
    IF TG_TABLE_NAME = 'match_notices' THEN
        SELECT bool_or(public.exhibit_is_entered(m.first_id, 'evidence.compared')
                OR public.exhibit_is_entered(m.second_id, 'evidence.compared')) INTO is_entered
            FROM public.matches m
            WHERE (m.first_id, m.case_id, m.other_case_id) = (NEW.evidence_id, NEW.case_id, NEW.other_case_id)
                OR (m.second_id, m.other_case_id, m.case_id) = (NEW.evidence_id, NEW.case_id, NEW.other_case_id);
    ELSE
        IF TG_TABLE_NAME = 'matches' THEN
            is_across := NEW.other_case_id IS NOT NULL;
        ELSE
            SELECT m.other_case_id IS NOT NULL INTO is_across FROM public.matches m WHERE m.id = NEW.match_id;
        END IF;
        is_entered := CASE WHEN is_across
            THEN public.exhibit_is_entered(NEW.first_id, 'evidence.compared')
                OR public.exhibit_is_entered(NEW.second_id, 'evidence.compared')
            ELSE public.exhibit_is_entered(NEW.first_id, NULL) AND public.exhibit_is_entered(NEW.second_id, NULL) END;
    END IF;
    IF is_entered IS NOT TRUE THEN
        RAISE EXCEPTION '% on % has no custody entry of its items', TG_OP, TG_TABLE_NAME
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_require_entry',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION exhibit_require_match_entry() IS
    'Within a case either item has an entry; across cases that one which was compared.';
"""

REQUIRED = """
CREATE CONSTRAINT TRIGGER {table}_need_entry AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_match_entry();
"""
OF_EITHER = """
CREATE CONSTRAINT TRIGGER {table}_need_entry_{side} AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('{side}_id');
"""
ACKNOWLEDGED = """
CREATE CONSTRAINT TRIGGER match_notices_acknowledgement_needs_entry AFTER UPDATE ON match_notices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry();
"""
NOTICES_BEFORE = """
DROP TRIGGER match_notices_acknowledgement_needs_entry ON match_notices;
DROP TRIGGER match_notices_need_entry ON match_notices;
CREATE CONSTRAINT TRIGGER match_notices_need_entry AFTER INSERT OR UPDATE ON match_notices
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('evidence_id');
"""
TABLES = ("matches", "match_tiers")


def upgrade() -> None:
    op.execute(FUNCTIONS)
    for table in TABLES:
        for side in ("first", "second"):
            op.execute(f"DROP TRIGGER {table}_need_entry_{side} ON {table}")
        op.execute(REQUIRED.format(table=table))
    op.execute("DROP TRIGGER match_notices_need_entry ON match_notices")
    op.execute(REQUIRED.format(table="match_notices"))
    op.execute(ACKNOWLEDGED)


def downgrade() -> None:
    op.execute(NOTICES_BEFORE)
    for table in TABLES:
        op.execute(f"DROP TRIGGER {table}_need_entry ON {table}")
        for side in ("first", "second"):
            op.execute(OF_EITHER.format(table=table, side=side))
    op.execute("DROP FUNCTION exhibit_require_match_entry(), exhibit_is_entered(uuid, text)")
