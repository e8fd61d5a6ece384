"""An incident's point has a radius, and an incident may have a reference of another system."""

from alembic import op

revision = "r107_places_and_references"
down_revision = "r106_facts"
branch_labels = None
depends_on = None

ERASABLE = {"incidents": ("place_radius_m", "external_reference")}
"""Columns that hold a personal value, besides those of the migrations before."""
BEFORE = (
    *("code", "title", "occurred_basis", "place_name", "latitude_microdegrees", "longitude_microdegrees"),
    "administrative_units",
)

ADD = """
ALTER TABLE incidents
    ADD COLUMN place_radius_m integer,
    ADD COLUMN external_reference text,
    ADD CONSTRAINT ck_incidents_radius_of_precision CHECK (place_radius_m BETWEEN 0 AND CASE place_precision
        WHEN 'exact' THEN 10 WHEN 'vicinity' THEN 100 WHEN 'locality' THEN 1000 ELSE 20100000 END),
    ADD CONSTRAINT ck_incidents_radius_of_point CHECK (place_radius_m IS NULL OR latitude_microdegrees IS NOT NULL),
    ADD CONSTRAINT uq_incidents_external_reference UNIQUE (case_id, external_reference);
GRANT UPDATE (place_radius_m, external_reference) ON incidents TO exhibit_app;
"""
DROP = "ALTER TABLE incidents DROP COLUMN place_radius_m, DROP COLUMN external_reference"

# A reference is stated once, with the incident; afterwards it is only erased.
FIXED = """
CREATE FUNCTION exhibit_fix_reference() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT 'external_reference' = ANY (NEW.erased) THEN
        RAISE EXCEPTION 'an incident keeps its external reference'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fix_reference',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER incidents_keep_reference BEFORE UPDATE OF external_reference ON incidents
    FOR EACH ROW WHEN (NEW.external_reference IS DISTINCT FROM OLD.external_reference)
    EXECUTE FUNCTION exhibit_fix_reference();
"""
UNFIXED = "DROP TRIGGER incidents_keep_reference ON incidents; DROP FUNCTION exhibit_fix_reference()"


def upgrade() -> None:
    op.execute(ADD)
    _guard((*BEFORE, *ERASABLE["incidents"]))
    op.execute(FIXED)


def _guard(columns: tuple[str, ...]) -> None:
    arguments = ", ".join(f"'{column}'" for column in columns)
    op.execute("DROP TRIGGER incidents_guard_erased ON incidents")
    op.execute(
        "CREATE TRIGGER incidents_guard_erased BEFORE UPDATE ON incidents "
        f"FOR EACH ROW EXECUTE FUNCTION exhibit_guard_erased({arguments})"
    )


def downgrade() -> None:
    op.execute(UNFIXED)
    _guard(BEFORE)
    op.execute(DROP)
