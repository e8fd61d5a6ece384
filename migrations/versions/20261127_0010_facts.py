"""Facts of incidents and cases: casualties, objects, weapons, attributions, circumstances, relations, organisations,
territory control, other organisations' statistics. Superseding records that nobody edits."""

from typing import NamedTuple

from alembic import op

revision = "r106_facts"
down_revision = "r110_exports"
branch_labels = None
depends_on = None

SOURCE = ("source_document", "source_page", "source_address")
ERASABLE = {
    "organisations": ("name", "name_key", "short_name", "address", "aliases", "reason", "external_reference"),
    "casualty_counts": ("as_reported", "reason", "external_reference", *SOURCE),
    "affected_objects": ("name", "part", "protection_basis", "reason", "external_reference", *SOURCE),
    "weapon_identifications": (
        *("reported", "reported_key", "normalised", "normalised_key", "normalisation_note"),
        *("reason", "external_reference", *SOURCE),
    ),
    "attributions": ("detail", "grounds", "reason", "external_reference", *SOURCE),
    "circumstances": ("basis", "reason", "external_reference", *SOURCE),
    "related_incidents": ("basis", "reason", "external_reference", *SOURCE),
    "territory_controls": ("area", "area_key", "basis", "reason", "external_reference", *SOURCE),
    "external_statistics": ("figure", "counts", "area", "reason", "external_reference", *SOURCE),
}
"""Columns that hold a personal value, besides those of the migrations before."""
STANDS_ONCE = {
    "casualty_counts": "outcome,person_group,source_organisation_id",
    "circumstances": "aspect,pattern,source_organisation_id",
    "related_incidents": "relation,other_incident_id",
    "organisations": "name_key",
}
"""Columns in which no two facts that stand have the same values."""
OF_CASE = ("organisations", "territory_controls", "external_statistics")


class Table(NamedTuple):
    """``needs``: columns that are null in a withdrawal and in nothing else; ``may``: others of what is stated."""

    columns: str
    needs: tuple[str, ...]
    may: tuple[str, ...]


TABLES = {
    "organisations": Table(
        """
    name text,
    name_key text,
    short_name text,
    organisation_kind text,
    address text,
    aliases text[],
    CONSTRAINT ck_{table}_organisation_kind_word CHECK (organisation_kind IN ('state', 'armed_force',
        'armed_group', 'de_facto_authority', 'ngo', 'intergovernmental', 'court_or_inquiry',
        'prosecution_or_police', 'health_authority', 'media', 'research', 'other')),
    CONSTRAINT ck_{table}_name_given CHECK (name <> ''),
    CONSTRAINT uq_{table}_id_case_id UNIQUE (id, case_id)""",
        needs=("name", "name_key", "organisation_kind", "aliases"),
        may=("short_name", "address"),
    ),
    "casualty_counts": Table(
        """
    outcome text,
    person_group text,
    comparator text,
    minimum integer,
    maximum integer,
    as_reported text,
    CONSTRAINT ck_{table}_outcome_word CHECK (outcome IN ('killed', 'injured', 'missing')),
    CONSTRAINT ck_{table}_person_group_word CHECK (person_group IN ('civilian', 'child', 'woman', 'man',
        'medical_staff', 'humanitarian_worker', 'journalist', 'combatant', 'unknown')),
    CONSTRAINT ck_{table}_comparator_word CHECK (comparator IN ('exact', 'at_least', 'more_than', 'about',
        'up_to')),
    CONSTRAINT ck_{table}_comparator_and_bounds CHECK (minimum BETWEEN 0 AND 10000000 AND maximum BETWEEN
        minimum AND 10000000 AND (comparator IN ('at_least', 'more_than')) = (maximum IS NULL) AND (comparator
        <> 'exact' OR maximum = minimum)),
    CONSTRAINT ck_{table}_as_reported_given CHECK (as_reported <> '')""",
        needs=("outcome", "person_group", "comparator", "minimum", "as_reported"),
        may=("maximum",),
    ),
    "affected_objects": Table(
        """
    object_kind text,
    name text,
    part text,
    damage text,
    special_protection text,
    protected_by text[],
    protection_basis text,
    CONSTRAINT ck_{table}_object_kind_word CHECK (object_kind IN ('hospital', 'medical_unit', 'school',
        'religious', 'cultural', 'humanitarian', 'water_energy', 'dangerous_forces', 'residential', 'market',
        'transport', 'media', 'government', 'industry', 'agriculture', 'military', 'other')),
    CONSTRAINT ck_{table}_damage_word CHECK (damage IN ('destroyed', 'severe', 'moderate', 'light', 'none')),
    CONSTRAINT ck_{table}_special_protection_word CHECK (special_protection IN ('protected', 'not_protected',
        'lost', 'unknown')),
    CONSTRAINT ck_{table}_protection_has_a_basis CHECK (special_protection <> 'protected' OR
        cardinality(protected_by) > 0 OR protection_basis IS NOT NULL)""",
        needs=("object_kind", "special_protection", "protected_by"),
        may=("name", "part", "damage", "protection_basis"),
    ),
    "weapon_identifications": Table(
        """
    category text,
    reported text,
    reported_key text,
    normalised text,
    normalised_key text,
    normalisation_note text,
    identified_by_id uuid,
    method text,
    confidence text,
    vocabulary text,
    CONSTRAINT ck_{table}_category_word CHECK (category IN ('cruise_missile', 'ballistic_missile',
        'air_defence_missile', 'other_missile', 'guided_bomb', 'unguided_bomb', 'rocket_artillery',
        'tube_artillery', 'mortar', 'one_way_drone', 'armed_drone', 'cluster_munition', 'incendiary', 'mine',
        'improvised_device', 'small_arms', 'chemical', 'other', 'unknown')),
    CONSTRAINT ck_{table}_method_word CHECK (method IN ('remnant_analysis', 'visual_in_flight',
        'damage_pattern', 'radar_or_signals', 'official_statement', 'witness_statement', 'other', 'not_stated')),
    CONSTRAINT ck_{table}_confidence_word CHECK (confidence IN ('high', 'moderate', 'low', 'not_stated')),
    CONSTRAINT ck_{table}_keys_of_names CHECK (reported <> '' AND (reported IS NULL) = (reported_key IS NULL)
        AND (normalised IS NULL) = (normalised_key IS NULL) AND (normalised IS NULL OR reported IS NOT NULL)),
    CONSTRAINT fk_{table}_identified_by_id FOREIGN KEY (identified_by_id, case_id) REFERENCES organisations (id,
        case_id)""",
        needs=("category", "reported", "identified_by_id", "method", "confidence", "vocabulary"),
        may=("normalised", "normalisation_note"),
    ),
    "attributions": Table(
        """
    party_id uuid,
    level text,
    detail text,
    attributed_by_id uuid,
    confidence text,
    grounds text,
    CONSTRAINT ck_{table}_level_word CHECK (level IN ('party', 'armed_force', 'unit', 'commander',
        'direct_perpetrator')),
    CONSTRAINT ck_{table}_confidence_word CHECK (confidence IN ('high', 'moderate', 'low', 'not_stated')),
    CONSTRAINT ck_{table}_detail_below_party CHECK ((level <> 'party') = (detail IS NOT NULL)),
    CONSTRAINT fk_{table}_party_id FOREIGN KEY (party_id, case_id) REFERENCES organisations (id, case_id),
    CONSTRAINT fk_{table}_attributed_by_id FOREIGN KEY (attributed_by_id, case_id) REFERENCES organisations (id,
        case_id)""",
        needs=("party_id", "level", "attributed_by_id", "confidence", "grounds"),
        may=("detail",),
    ),
    "circumstances": Table(
        """
    aspect text,
    objective text,
    pattern text,
    distance_m integer,
    uncertainty_m integer,
    distance_method text,
    basis text,
    CONSTRAINT ck_{table}_aspect_word CHECK (aspect IN ('military_objective', 'attack_pattern',
        'front_distance')),
    CONSTRAINT ck_{table}_objective_word CHECK (objective IN ('none_found', 'claimed', 'present', 'unknown')),
    CONSTRAINT ck_{table}_pattern_word CHECK (pattern IN ('single', 'double_tap', 'repeated', 'salvo',
        'mass_attack', 'siege', 'indiscriminate_fire', 'other')),
    CONSTRAINT ck_{table}_distance_method_word CHECK (distance_method IN ('map_of_control', 'satellite_imagery',
        'as_reported', 'field_visit', 'other')),
    CONSTRAINT ck_{table}_fields_of_aspect CHECK ((aspect IS NOT DISTINCT FROM 'military_objective') =
        (objective IS NOT NULL) AND (aspect IS NOT DISTINCT FROM 'attack_pattern') = (pattern IS NOT NULL) AND
        (aspect IS NOT DISTINCT FROM 'front_distance') = (distance_m IS NOT NULL) AND (distance_m IS NULL) =
        (uncertainty_m IS NULL) AND (distance_m IS NULL) = (distance_method IS NULL)),
    CONSTRAINT ck_{table}_distance_on_earth CHECK (distance_m BETWEEN 0 AND 20100000 AND uncertainty_m BETWEEN 0
        AND 20100000)""",
        needs=("aspect", "basis"),
        may=("objective", "pattern", "distance_m"),
    ),
    "related_incidents": Table(
        """
    relation text,
    other_incident_id uuid,
    basis text,
    CONSTRAINT ck_{table}_relation_word CHECK (relation IN ('part_of', 'follows', 'same_target',
        'same_operation', 'same_pattern', 'duplicate_of', 'other')),
    CONSTRAINT ck_{table}_other_than_itself CHECK (other_incident_id <> incident_id),
    CONSTRAINT fk_{table}_other_incident_id FOREIGN KEY (other_incident_id, case_id)
        REFERENCES incidents (id, case_id)""",
        needs=("relation", "other_incident_id", "basis"),
        may=(),
    ),
    "territory_controls": Table(
        """
    area text[],
    area_key text,
    control text,
    controller_id uuid,
    valid_from timestamptz,
    valid_to timestamptz,
    basis text,
    CONSTRAINT ck_{table}_control_word CHECK (control IN ('controlled', 'contested')),
    CONSTRAINT ck_{table}_controller_named CHECK ((control IS NOT DISTINCT FROM 'controlled') = (controller_id
        IS NOT NULL)),
    CONSTRAINT ck_{table}_interval_in_order CHECK (valid_from < valid_to),
    CONSTRAINT fk_{table}_controller_id FOREIGN KEY (controller_id, case_id) REFERENCES organisations (id,
        case_id)""",
        needs=("area", "area_key", "control", "valid_from"),
        may=("controller_id", "valid_to", "basis"),
    ),
    "external_statistics": Table(
        """
    figure text,
    counts text,
    unit text,
    period_from date,
    period_to date,
    area text[],
    CONSTRAINT ck_{table}_unit_word CHECK (unit IN ('persons', 'incidents', 'items', 'objects', 'percent',
        'other')),
    CONSTRAINT ck_{table}_period_in_order CHECK (period_from <= period_to),
    CONSTRAINT ck_{table}_figure_given CHECK (figure <> '' AND counts <> '')""",
        needs=("figure", "counts", "unit", "period_from", "period_to", "area"),
        may=(),
    ),
}

COMMON = """
CREATE TABLE {table} (
    id uuid NOT NULL CONSTRAINT pk_{table} PRIMARY KEY,
    {scoped}case_id uuid NOT NULL CONSTRAINT fk_{table}_case_id REFERENCES cases (id),
    number integer NOT NULL,
    version integer NOT NULL,
    fact_id uuid NOT NULL,
    supersedes uuid CONSTRAINT fk_{table}_supersedes REFERENCES {table} (id),
    {columns},
    {sourced}reason text,
    withdrawn boolean NOT NULL,
    external_reference text,
    recorded_at timestamptz NOT NULL,
    author_id uuid NOT NULL CONSTRAINT fk_{table}_author_id REFERENCES accounts (id),
    erased text[] NOT NULL DEFAULT '{{}}'::text[],
    CONSTRAINT uq_{table}_number UNIQUE ({scope}, number),
    CONSTRAINT uq_{table}_supersedes UNIQUE (supersedes),
    CONSTRAINT uq_{table}_external_reference UNIQUE (case_id, external_reference),
    CONSTRAINT ck_{table}_first_version CHECK (
        (version = 1) = (supersedes IS NULL) AND (version = 1) = (fact_id = id)),
    CONSTRAINT ck_{table}_supersedes_with_reason CHECK ((supersedes IS NULL) = (reason IS NULL)),
    CONSTRAINT ck_{table}_withdraws_something CHECK (NOT withdrawn OR supersedes IS NOT NULL),
    CONSTRAINT ck_{table}_reference_of_first CHECK (external_reference IS NULL OR version = 1),
    {stating}
)
"""
SCOPED = """incident_id uuid NOT NULL,
    CONSTRAINT fk_{table}_incident_id FOREIGN KEY (incident_id, case_id) REFERENCES incidents (id, case_id),
    """
SOURCED = """source_organisation_id uuid,
    source_document text,
    source_page text,
    source_address text,
    source_published_on date,
    source_evidence_id uuid CONSTRAINT fk_{table}_source_evidence_id REFERENCES evidence (id),
    CONSTRAINT fk_{table}_source_organisation_id FOREIGN KEY (source_organisation_id, case_id)
        REFERENCES organisations (id, case_id),
    """
INDEXES = """
CREATE INDEX ix_weapon_identifications_reported_key ON weapon_identifications (case_id, reported_key);
CREATE INDEX ix_weapon_identifications_normalised_key ON weapon_identifications (case_id, normalised_key);
CREATE INDEX ix_related_incidents_other_incident_id ON related_incidents (other_incident_id);
CREATE INDEX ix_territory_controls_area_key ON territory_controls (case_id, area_key);
"""

# One function for all tables: the row to be superseded is read as JSON. TG_ARGV: the column of the scope (the incident
# or the case, whose row is locked, so that numbers and what stands are settled one after the other), and the columns of
# which one fact stands at a time, with commas.
FUNCTIONS = """
CREATE FUNCTION exhibit_guard_fact() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
    scope uuid := (to_jsonb(NEW) ->> TG_ARGV[0])::uuid;
    replaced jsonb;
    last integer;
    twin uuid;
    same text := '';
    named text;
BEGIN
    IF TG_ARGV[0] = 'incident_id' THEN
        PERFORM FROM public.incidents i WHERE i.id = scope FOR UPDATE;
    ELSE
        PERFORM FROM public.cases c WHERE c.id = scope FOR UPDATE;
    END IF;
    EXECUTE format('SELECT coalesce(max(number), 0) FROM public.%I WHERE %I = $1', TG_TABLE_NAME, TG_ARGV[0])
        INTO last USING scope;
    EXECUTE format('SELECT to_jsonb(r) FROM public.%I r WHERE r.id = $1', TG_TABLE_NAME)
        INTO replaced USING NEW.supersedes;
    IF NEW.number <> last + 1 OR (replaced IS NOT NULL AND (
        replaced ->> TG_ARGV[0] <> scope::text OR replaced ->> 'fact_id' <> NEW.fact_id::text
        OR (replaced ->> 'version')::integer + 1 <> NEW.version))
    THEN
        RAISE EXCEPTION 'a fact is numbered in its turn and supersedes the version before it'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fact_chain', TABLE = TG_TABLE_NAME;
    END IF;
    IF (replaced ->> 'withdrawn')::boolean THEN
        RAISE EXCEPTION 'what was withdrawn is stated anew, not superseded'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fact_withdrawn',
                  TABLE = TG_TABLE_NAME;
    END IF;
    IF TG_NARGS = 2 AND NOT NEW.withdrawn THEN
        FOREACH named IN ARRAY string_to_array(TG_ARGV[1], ',') LOOP
            same := same || format(' AND r.%1$I IS NOT DISTINCT FROM ($3).%1$I', named);
        END LOOP;
        EXECUTE format('SELECT r.id FROM public.%1$I r WHERE r.%2$I = $1 AND NOT r.withdrawn'
            ' AND r.id IS DISTINCT FROM $2'
            ' AND NOT EXISTS (SELECT FROM public.%1$I later WHERE later.supersedes = r.id)%3$s LIMIT 1',
            TG_TABLE_NAME, TG_ARGV[0], same) INTO twin USING scope, NEW.supersedes, NEW;
        IF twin IS NOT NULL THEN
            RAISE EXCEPTION 'the same is stated already and stands'
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fact_stands',
                      TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    FOREACH named IN ARRAY ARRAY['source_organisation_id', 'identified_by_id', 'attributed_by_id', 'party_id',
        'controller_id']
    LOOP
        IF made ->> named IS NOT NULL AND NOT EXISTS (SELECT FROM public.organisations o
            WHERE o.id = (made ->> named)::uuid AND o.case_id = NEW.case_id AND o.version = 1)
        THEN
            RAISE EXCEPTION '% is no organisation of the case', named
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fact_organisation',
                      TABLE = TG_TABLE_NAME;
        END IF;
    END LOOP;
    IF made ->> 'source_evidence_id' IS NOT NULL AND NOT EXISTS (SELECT FROM public.evidence e
        WHERE e.id = (made ->> 'source_evidence_id')::uuid AND e.case_id = NEW.case_id)
    THEN
        RAISE EXCEPTION 'the copy of a source is an item of the same case'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_fact_source_item',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;

-- The case's row is locked: of two relations that would close a circle together, the second sees the first.
CREATE FUNCTION exhibit_guard_parent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM public.cases c WHERE c.id = NEW.case_id FOR UPDATE;
    IF EXISTS (SELECT FROM public.related_incidents r WHERE r.incident_id = NEW.incident_id AND r.relation = 'part_of'
        AND r.id IS DISTINCT FROM NEW.supersedes
        AND NOT EXISTS (SELECT FROM public.related_incidents later WHERE later.supersedes = r.id))
    THEN
        RAISE EXCEPTION 'an incident has one parent at the most'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_one_parent', TABLE = TG_TABLE_NAME;
    END IF;
    IF EXISTS (
        WITH RECURSIVE above (incident_id) AS (
            SELECT NEW.other_incident_id
            UNION SELECT r.other_incident_id FROM above a JOIN public.related_incidents r
                ON r.incident_id = a.incident_id AND r.relation = 'part_of' AND r.id IS DISTINCT FROM NEW.supersedes
                AND NOT EXISTS (SELECT FROM public.related_incidents later WHERE later.supersedes = r.id))
        SELECT FROM above a WHERE a.incident_id = NEW.incident_id)
    THEN
        RAISE EXCEPTION 'an incident is no part of itself'
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'exhibit_incident_circle',
                  TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NEW;
END $$;
"""

FIX = """
CREATE TRIGGER {table}_guarded BEFORE INSERT ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_guard_fact({guard});
CREATE TRIGGER {table}_fixed BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION exhibit_permit_erasure({erasable});
CREATE TRIGGER {table}_refuse_truncate BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
CREATE CONSTRAINT TRIGGER {table}_need_entry AFTER INSERT ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION exhibit_require_entry('{scope}');
CREATE CONSTRAINT TRIGGER {table}_erasure_needs_entry AFTER UPDATE OF erased ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NOT NEW.erased <@ OLD.erased)
    EXECUTE FUNCTION exhibit_require_erasure('{scope}');
GRANT SELECT, INSERT ON {table} TO exhibit_app;
GRANT UPDATE ({columns}, erased) ON {table} TO exhibit_app;
"""
PARENTS = """
CREATE TRIGGER related_incidents_parents BEFORE INSERT ON related_incidents
    FOR EACH ROW WHEN (NEW.relation = 'part_of') EXECUTE FUNCTION exhibit_guard_parent();
"""


def upgrade() -> None:
    op.execute("ALTER TABLE incidents ADD CONSTRAINT uq_incidents_id_case_id UNIQUE (id, case_id)")
    for name, table in TABLES.items():
        op.execute(_definition(name, table))
    op.execute(INDEXES)
    op.execute(FUNCTIONS)
    for name in TABLES:
        _fix(name)
    op.execute(PARENTS)


def _definition(name: str, table: Table) -> str:
    is_sourced = name != "organisations"
    needs = (*table.needs, *(("source_organisation_id",) if is_sourced else ()))
    may = (*table.may, *((*SOURCE, "source_published_on", "source_evidence_id") if is_sourced else ()))
    stating = [f"CONSTRAINT ck_{name}_states_{column} CHECK (withdrawn = ({column} IS NULL))" for column in needs]
    stating.append(
        f"CONSTRAINT ck_{name}_withdrawal_states_nothing CHECK (NOT withdrawn OR num_nonnulls({', '.join(may)}) = 0)"
    )
    return COMMON.format(
        table=name,
        scope=_scope(name),
        scoped="" if name in OF_CASE else SCOPED.format(table=name),
        columns=table.columns.strip().format(table=name),
        sourced=SOURCED.format(table=name) if is_sourced else "",
        stating=",\n    ".join(stating),
    )


def _scope(name: str) -> str:
    return "case_id" if name in OF_CASE else "incident_id"


def _fix(name: str) -> None:
    guard = [_scope(name), *([STANDS_ONCE[name]] if name in STANDS_ONCE else [])]
    op.execute(
        FIX.format(
            table=name,
            scope=_scope(name),
            guard=", ".join(f"'{each}'" for each in guard),
            erasable=", ".join(f"'{column}'" for column in ERASABLE[name]),
            columns=", ".join(ERASABLE[name]),
        )
    )


def downgrade() -> None:
    for name in reversed(TABLES):
        op.execute(f"DROP TABLE {name}")
    op.execute("DROP FUNCTION exhibit_guard_fact(), exhibit_guard_parent()")
    op.execute("ALTER TABLE incidents DROP CONSTRAINT uq_incidents_id_case_id")
