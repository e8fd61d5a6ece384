"""What stood then of consents, testimonies, matches and members too; and acts of policies that the log remembers.

Rows that were there before get the act of the entry that told of them, as far as its body was not erased; else 0.
"""

from alembic import op

revision = "r122_acts_of_more"
down_revision = "r116c_releases"
branch_labels = None
depends_on = None

STAMPED = ("testimonies", "matches", "match_tiers")
STAMP = """
ALTER TABLE {table} ADD COLUMN act bigint NOT NULL DEFAULT 0;
ALTER TABLE {table} ALTER COLUMN act DROP DEFAULT;
CREATE TRIGGER {table}_stamped BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION exhibit_stamp();
"""

CONSENTS = """
CREATE FUNCTION exhibit_stamp_consent() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.recorded_act := public.exhibit_act();
    RETURN NEW;
END $$;
ALTER TABLE consents ADD COLUMN recorded_act bigint NOT NULL DEFAULT 0;
ALTER TABLE consents ALTER COLUMN recorded_act DROP DEFAULT;
CREATE TRIGGER consents_stamped BEFORE INSERT ON consents FOR EACH ROW EXECUTE FUNCTION exhibit_stamp_consent();
"""
"""Theirs is no "act": that word says whether a person gave it or took it back."""

TOLD = """
CREATE TEMPORARY TABLE told AS
SELECT e.id, e.stream_id, e.type, coalesce(e.act, e.id) AS act, e.recorded_at,
    CAST(convert_from(b.body, 'UTF8') AS jsonb) -> 'data' AS data
FROM ledger_entries e JOIN ledger_bodies b USING (commitment)
WHERE e.type IN ('evidence.consent_given', 'evidence.consent_withdrawn', 'incident.consent_given',
    'incident.consent_withdrawn', 'incident.fact_recorded', 'incident.fact_superseded', 'evidence.matched',
    'case.created', 'case.policy_changed', 'case.member_granted', 'case.member_revoked');
CREATE INDEX ON told (stream_id);
"""

ACTS = {
    "consents": "SELECT min(t.act) FROM told t WHERE t.stream_id = r.stream_id AND t.data ->> 'consent' = r.id::text",
    "testimonies": "SELECT min(t.act) FROM told t WHERE t.stream_id = r.incident_id AND t.data ->> 'id' = r.id::text",
    "matches": """SELECT min(t.act) FROM told t WHERE t.stream_id = r.first_id AND t.type = 'evidence.matched'
        AND CASE WHEN r.other_case_id IS NULL THEN t.data ->> 'match' = r.id::text
            ELSE t.data ->> 'match' IS NULL AND t.recorded_at >= r.found_at END""",
    "match_tiers": """SELECT min(t.act) FROM told t WHERE t.stream_id = r.first_id AND t.type = 'evidence.matched'
        AND t.data ->> 'match' = r.match_id::text AND t.data ->> 'number' = r.number::text""",
    "case_policies": """SELECT min(t.act) FROM told t WHERE t.stream_id = r.case_id
        AND (r.version = 1 AND t.type = 'case.created' OR t.data ->> 'policy_version' = r.version::text)""",
}
"""Of a match across cases the log names neither: the first such entry since it was found is its."""
FILL = """
ALTER TABLE {table} DISABLE TRIGGER USER;
UPDATE {table} r SET {column} = coalesce(({act}), 0) WHERE {column} = 0;
ALTER TABLE {table} ENABLE TRIGGER USER;
"""

MEMBERS = """
CREATE TABLE case_member_versions (
    case_id uuid NOT NULL CONSTRAINT fk_case_member_versions_case_id_cases REFERENCES cases (id),
    account_id uuid NOT NULL CONSTRAINT fk_case_member_versions_account_id_accounts REFERENCES accounts (id),
    role text NOT NULL,
    number integer NOT NULL CONSTRAINT ck_case_member_versions_number_counts CHECK (number >= 1),
    granted_at timestamptz NOT NULL,
    act bigint NOT NULL,
    until_act bigint,
    CONSTRAINT pk_case_member_versions PRIMARY KEY (case_id, account_id, role, number)
);

INSERT INTO case_member_versions (case_id, account_id, role, number, granted_at, act, until_act)
SELECT case_id, account_id, role, row_number() OVER (PARTITION BY case_id, account_id, role ORDER BY id), recorded_at,
    act, until_act
FROM (
    SELECT t.id, t.type, p.case_id, p.account_id, t.data ->> 'role' AS role, t.recorded_at, t.act,
        lead(t.act) OVER (PARTITION BY p.case_id, p.account_id, t.data ->> 'role' ORDER BY t.id) AS until_act
    FROM told t
    JOIN case_pseudonyms p ON p.case_id = t.stream_id AND p.pseudonym::text = t.data ->> 'account'
    WHERE t.type IN ('case.member_granted', 'case.member_revoked')
) held WHERE type = 'case.member_granted';
-- Of whom the log tells no more: members of now since ever, those of before at no time.
INSERT INTO case_member_versions (case_id, account_id, role, number, granted_at, act)
SELECT m.case_id, m.account_id, m.role, 1 + count(v.number), m.granted_at, 0
FROM case_members m LEFT JOIN case_member_versions v USING (case_id, account_id, role)
GROUP BY m.case_id, m.account_id, m.role HAVING count(v.number) = count(v.until_act);
UPDATE case_member_versions v SET until_act = act WHERE until_act IS NULL AND NOT EXISTS (
    SELECT FROM case_members m WHERE (m.case_id, m.account_id, m.role) = (v.case_id, v.account_id, v.role));
UPDATE case_member_versions v SET granted_at = m.granted_at FROM case_members m
WHERE v.until_act IS NULL AND (m.case_id, m.account_id, m.role) = (v.case_id, v.account_id, v.role);

CREATE FUNCTION exhibit_keep_case_member_versions() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO public.case_member_versions (case_id, account_id, role, number, granted_at, act)
        SELECT NEW.case_id, NEW.account_id, NEW.role, 1 + count(*), NEW.granted_at, public.exhibit_act()
        FROM public.case_member_versions v
        WHERE (v.case_id, v.account_id, v.role) = (NEW.case_id, NEW.account_id, NEW.role);
    ELSE
        UPDATE public.case_member_versions v SET until_act = public.exhibit_act()
        WHERE (v.case_id, v.account_id, v.role) = (OLD.case_id, OLD.account_id, OLD.role) AND v.until_act IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER case_members_versions AFTER INSERT OR DELETE ON case_members
    FOR EACH ROW EXECUTE FUNCTION exhibit_keep_case_member_versions();
CREATE TRIGGER refuse_change BEFORE INSERT OR UPDATE OR DELETE ON case_member_versions
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION exhibit_refuse_change();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON case_member_versions
    FOR EACH STATEMENT EXECUTE FUNCTION exhibit_refuse_change();
GRANT SELECT ON case_member_versions TO exhibit_app;
"""


def upgrade() -> None:
    op.execute(TOLD)
    op.execute(CONSENTS)
    for table in STAMPED:
        op.execute(STAMP.format(table=table))
    for table, act in ACTS.items():
        column = "recorded_act" if table == "consents" else "act"
        op.execute(FILL.format(table=table, act=act, column=column))
    op.execute(MEMBERS)
    op.execute("DROP TABLE told")


def downgrade() -> None:
    op.execute("DROP TRIGGER case_members_versions ON case_members")
    op.execute("DROP TABLE case_member_versions")
    op.execute("DROP FUNCTION exhibit_keep_case_member_versions()")
    for table in STAMPED:
        op.execute(f"DROP TRIGGER {table}_stamped ON {table}")
        op.execute(f"ALTER TABLE {table} DROP COLUMN act")
    op.execute("DROP TRIGGER consents_stamped ON consents")
    op.execute("ALTER TABLE consents DROP COLUMN recorded_act")
    op.execute("DROP FUNCTION exhibit_stamp_consent()")
