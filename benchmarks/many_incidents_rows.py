"""The rows of ``many_incidents``, as statements of PostgreSQL in the order in which they run.

They draw from the functions and tables that ``many_incidents._preparing`` makes for the session: ``r(salt, n, k)`` is a
number from 0 up to 1 that follows from seed, salt, row and sub-row; ``at(t)`` and ``act(t)`` are moment and act of a
share ``t`` of the recorded time; ``uid(salt, n, k)`` is a row's id.
"""

from collections.abc import Mapping

from app.facts.words import AttackPattern, Damage, MilitaryObjective, ObjectKind, PersonGroup
from app.figures.words import METHOD_BITS


def choice(weights: Mapping[str, int], drawn: str) -> str:
    """A word by its weight, as an expression of a drawn number."""
    slots = ", ".join(f"'{word}'" for word, weight in weights.items() for _ in range(weight))
    return f"pg_temp.one(ARRAY[{slots}], {drawn})"


def evenly(words: type[PersonGroup | ObjectKind | AttackPattern | MilitaryObjective | Damage]) -> dict[str, int]:
    return dict.fromkeys(words, 1)


FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.r(salt text, n bigint, k bigint DEFAULT 0) RETURNS float8 LANGUAGE sql IMMUTABLE AS
    $$ SELECT (hashint8extended(n * 64 + k, hashtextextended(salt, pg_temp.seed_())) & 9007199254740991)
        / 9007199254740992.0::float8 $$;
CREATE OR REPLACE FUNCTION pg_temp.one(words text[], drawn float8) RETURNS text LANGUAGE sql IMMUTABLE AS
    $$ SELECT words[1 + floor(drawn * cardinality(words))::int] $$;
CREATE OR REPLACE FUNCTION pg_temp.uid(salt text, n bigint, k bigint DEFAULT 0) RETURNS uuid LANGUAGE sql IMMUTABLE AS
    $$ SELECT overlay(overlay(md5(salt || ':' || n || ':' || k || ':' || pg_temp.seed_()) PLACING '4' FROM 13)
        PLACING '8' FROM 17)::uuid $$;
CREATE OR REPLACE FUNCTION pg_temp.at(t float8) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS
    $$ SELECT date_trunc('milliseconds', pg_temp.begin_() + t * pg_temp.span_()) $$;
CREATE OR REPLACE FUNCTION pg_temp.total_() RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT 2 * (pg_temp.incidents_() + pg_temp.items_()) $$;
CREATE OR REPLACE FUNCTION pg_temp.act(t float8) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $$ SELECT pg_temp.base_() + 1 + floor(t * pg_temp.total_())::bigint $$
"""

_SOURCE = "source_organisation_id, source_document, recorded_at, author_id, withdrawn, act"
"""Of every fact; ``_SAYS`` gives their values for the share of time ``t`` and a row's ``n`` and ``k``."""


def _says(salt: str, t: str = "t", k: str = "k") -> str:
    return (
        f"pg_temp.uid('organisation', floor(pg_temp.r('{salt} source', n, {k}) * 9)::bigint), "
        f"'Report ' || floor(pg_temp.r('{salt} document', n, {k}) * 500), pg_temp.at({t}), pg_temp.who(), false, "
        f"pg_temp.act({t})"
    )


def _superseded(table: str, share: float, changed: Mapping[str, str]) -> str:
    """A later version of some rows of facts, the same but for what ``changed`` says."""
    return f"""
    INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(f) || jsonb_build_object(
        'id', md5(f.id::text || 'next')::uuid, 'number', f.number + 1000, 'version', 2, 'supersedes', f.id,
        'reason', 'The source corrected it.', 'act', f.act + pg_temp.total_() / 20,
        'recorded_at', f.recorded_at + pg_temp.span_() / 20
        {"".join(f", '{name}', {value}" for name, value in changed.items())}))).*
    FROM {table} f WHERE f.case_id = pg_temp.case_() AND f.version = 1
        AND pg_temp.r('{table} next', hashtextextended(f.id::text, 0) / 128) < {share}
    """


CASE_FACTS = (
    """
    INSERT INTO organisations (id, case_id, number, version, fact_id, name, name_key, organisation_kind, aliases,
        withdrawn, recorded_at, author_id, act)
    SELECT pg_temp.uid('organisation', n), pg_temp.case_(), n + 1, 1, pg_temp.uid('organisation', n), name, name_key,
        CASE WHEN n < 9 THEN 'ngo' ELSE 'state' END, '{}', false, pg_temp.at(0), pg_temp.who(), pg_temp.act(0)
    FROM named_organisations
    """,
    """
    INSERT INTO territory_controls (id, case_id, number, version, fact_id, area, area_key, control, controller_id,
        valid_from, valid_to, source_organisation_id, recorded_at, author_id, withdrawn, act)
    SELECT pg_temp.uid('control', n, k), pg_temp.case_(), n * 3 + k + 1, 1, pg_temp.uid('control', n, k), units, key,
        CASE WHEN is_contested THEN 'contested' ELSE 'controlled' END,
        CASE WHEN NOT is_contested THEN pg_temp.uid('organisation', 9 + (n + k) % 3) END,
        (ARRAY['2021-01-01Z', '2022-09-01Z', '2024-03-01Z']::timestamptz[])[k + 1],
        (ARRAY['2022-09-01Z', '2024-03-01Z', NULL]::timestamptz[])[k + 1],
        pg_temp.uid('organisation', 0), pg_temp.at(0.01 * k), pg_temp.who(), false, pg_temp.act(0.01 * k)
    FROM (SELECT DISTINCT ON (key) *, slot AS n FROM towns WHERE key <> '' ORDER BY key, slot) t,
        generate_series(0, 2) k, LATERAL (SELECT pg_temp.r('contested', n, k) < 0.15 AS is_contested) c
    WHERE pg_temp.r('covered', n) > 0.2
    """,
)

_KINDS = {"air_strike": 22, "missile_strike": 25, "artillery": 18, "drone": 12, "shooting": 6, "detention": 5}
_KINDS |= {"torture": 2, "sexual_violence": 2, "unlawful_killing": 5, "other": 3}
_OBJECTS = {"hospital": 3, "medical_unit": 2, "school": 4, "residential": 20, "market": 3, "water_energy": 5}
_OBJECTS |= {"religious": 2, "cultural": 1, "transport": 3, "industry": 2, "other": 1}

PHRASES = (
    """
    CREATE TEMP TABLE phrases (slot, words, word) ON COMMIT DROP AS
    SELECT n::int, string_agg(word, ' '), min(word)
    FROM generate_series(0, pg_temp.phrases_() - 1) n, generate_series(1, 4) k,
        LATERAL (SELECT pg_temp.one(pg_temp.word_list(), power(pg_temp.r('word', n, k), 3)) AS word) w GROUP BY n
    """,
    "ANALYZE phrases",
)
"""Joining them costs a hundredth of making them in each row."""


def phrase(salt: str, n: str = "n") -> str:
    return f"floor(pg_temp.r('{salt}', {n}) * pg_temp.phrases_())::int"


INCIDENTS = (
    f"""
    CREATE TEMP TABLE made_incidents ON COMMIT DROP AS
    SELECT n, pg_temp.uid('incident', n) AS id, t, n % 10 = 3 AS is_changed, w.name, w.local, w.units, w.latitude,
        (w.longitude + (pg_temp.r('longitude', n) - 0.5) * 0.3 + 540)::numeric % 360 - 180 AS longitude,
        w.latitude + (pg_temp.r('latitude', n) - 0.5) * 0.3 AS north,
        {choice(_KINDS, "pg_temp.r('kind', n)")} AS kind,
        {choice(_OBJECTS, "pg_temp.r('object', n, 0)")} AS object_kind,
        CASE WHEN pg_temp.r('timed', n) < 0.95 THEN
            date_trunc('minute', pg_temp.at(t) - pg_temp.r('before', n) * interval '60 days') END AS occurred_from,
        (ARRAY[0, 1, 24, 720])[1 + floor(power(pg_temp.r('length', n), 2) * 4)::int] * interval '1 hour' AS length
    FROM generate_series(1, pg_temp.incidents_()) n, LATERAL (SELECT n * 0.7 / pg_temp.incidents_() AS t) s,
        towns w WHERE w.slot = floor(pg_temp.r('town', n) * pg_temp.towns_())
    """,
    "CREATE INDEX ON made_incidents (n)",
    f"""
    INSERT INTO incidents (id, case_id, code, title, kind, occurred_from, occurred_to, occurred_zone, occurred_basis,
        place_name, latitude_microdegrees, longitude_microdegrees, place_precision, place_radius_m,
        administrative_units, external_reference, created_by, created_at, version)
    SELECT id, pg_temp.case_(), 'INC-' || lpad(n::text, 6, '0'),
        CASE WHEN pg_temp.r('title', n) < 0.7 THEN initcap(replace(kind, '_', ' ')) || ' on a ' || object_kind ||
            ' in ' || name WHEN pg_temp.r('title', n) < 0.9 THEN 'Удар, ' || local ELSE local || ' قصف' END
            || ', ' || p.words
            || CASE WHEN n % 10000 = 17 THEN ' ' || pg_temp.needle() ELSE '' END,
        kind, occurred_from, occurred_from + length, CASE WHEN occurred_from IS NOT NULL THEN 'Europe/Kyiv' END,
        CASE WHEN occurred_from IS NOT NULL THEN 'upload times' END,
        CASE WHEN pg_temp.r('named', n) < 0.5 THEN name ELSE local END || ', ' || p.word,
        CASE WHEN cardinality(units) > 0 THEN round(north * 1000000)::int END,
        CASE WHEN cardinality(units) > 0 THEN round(longitude * 1000000)::int END,
        CASE WHEN cardinality(units) > 0 THEN (ARRAY['exact', 'vicinity', 'locality'])[1 + n % 3] END,
        CASE WHEN cardinality(units) > 0 THEN (ARRAY[10, 100, 1000])[1 + n % 3] END,
        units, CASE WHEN n % 2 = 0 THEN 'ext-' || n END, pg_temp.who(), pg_temp.at(t),
        CASE WHEN is_changed THEN 2 ELSE 1 END
    FROM made_incidents JOIN phrases p ON p.slot = {phrase("title words")}
    """,
    """
    INSERT INTO incident_versions (id, number, act, until_act, code, title, kind, occurred_from, occurred_to,
        occurred_zone, occurred_basis, place_name, latitude_microdegrees, longitude_microdegrees, place_precision,
        place_radius_m, administrative_units, version)
    SELECT i.id, k, pg_temp.act(CASE WHEN k = 1 THEN t ELSE t + 0.02 END),
        CASE WHEN is_changed AND k = 1 THEN pg_temp.act(t + 0.02) END,
        code, CASE WHEN is_changed AND k = 1 THEN 'First report, ' ELSE '' END || title,
        CASE WHEN is_changed AND k = 1 THEN 'other' ELSE i.kind END, i.occurred_from, occurred_to, occurred_zone,
        occurred_basis, place_name, latitude_microdegrees, longitude_microdegrees, place_precision, place_radius_m,
        administrative_units, k
    FROM incidents i JOIN made_incidents m USING (id), generate_series(1, 2) k WHERE k = 1 OR is_changed
    """,
)

_COUNTED = "(ARRAY['killed', 'killed', 'injured', 'injured', 'killed', 'missing'])[k], "
_COUNTED += "(ARRAY['civilian', 'child', 'civilian', 'child', 'medical_staff', 'civilian'])[k]"
_COMPARATORS = {"exact": 6, "at_least": 3, "more_than": 1, "about": 1, "up_to": 1}

FACTS = (
    f"""
    INSERT INTO casualty_counts (id, incident_id, case_id, number, version, fact_id, outcome, person_group, comparator,
        minimum, maximum, as_reported, {_SOURCE})
    SELECT pg_temp.uid('count', n, k * 2 + s), id, pg_temp.case_(), k * 2 + s, 1, pg_temp.uid('count', n, k * 2 + s),
        {_COUNTED}, comparator, least_, CASE comparator WHEN 'exact' THEN least_ WHEN 'about' THEN least_ + 3
            WHEN 'up_to' THEN least_ + 5 END,
        comparator || ' ' || least_, pg_temp.uid('organisation', (n + k + s) % 9), 'Report ' || n % 500,
        pg_temp.at(t + 0.01 * s), pg_temp.who(), false, pg_temp.act(t + 0.01 * s)
    FROM made_incidents, generate_series(1, 6) k, generate_series(0, 1) s,
        LATERAL (SELECT {choice(_COMPARATORS, "pg_temp.r('comparator', n, k * 2 + s)")} AS comparator,
            floor(power(pg_temp.r('least', n, k * 2 + s), 6) * 120)::int AS least_) drawn
    WHERE pg_temp.r('counted', n, k) < (ARRAY[0.8, 0.35, 0.7, 0.25, 0.05, 0.03])[k]
        AND (s = 0 OR pg_temp.r('again', n, k) < 0.3)
    """,
    f"""
    INSERT INTO affected_objects (id, incident_id, case_id, number, version, fact_id, object_kind, name, part, damage,
        special_protection, protected_by, {_SOURCE})
    SELECT pg_temp.uid('object', n, k), id, pg_temp.case_(), k + 1, 1, pg_temp.uid('object', n, k),
        CASE WHEN k = 0 THEN object_kind ELSE {choice(_OBJECTS, "pg_temp.r('object', n, k)")} END,
        local || ' ' || (ARRAY['clinic', 'school', 'лікарня', 'مدرسة'])[1 + n % 4] || ' No. ' || n % 90,
        CASE WHEN k = 1 THEN 'east wing' END,
        {choice(evenly(Damage), "pg_temp.r('damage', n, k)")},
        CASE WHEN object_kind IN ('hospital', 'medical_unit') THEN 'protected' ELSE 'not_protected' END,
        CASE WHEN object_kind IN ('hospital', 'medical_unit') THEN ARRAY['geneva_iv:18'] ELSE '{{}}' END,
        {_says("object")}
    FROM made_incidents, generate_series(0, 2) k WHERE pg_temp.r('objects', n, k) < (ARRAY[0.7, 0.2, 0.05])[k + 1]
    """,
    f"""
    INSERT INTO weapon_identifications (id, incident_id, case_id, number, version, fact_id, category, reported,
        reported_key, normalised, normalised_key, identified_by_id, method, confidence, vocabulary, {_SOURCE})
    SELECT pg_temp.uid('weapon', n, k), id, pg_temp.case_(), k + 1, 1, pg_temp.uid('weapon', n, k), category,
        reported, reported_key, normalised, normalised_key, pg_temp.uid('organisation', n % 9), 'remnant_analysis',
        'moderate', 'weapons/1', {_says("weapon")}
    FROM made_incidents, generate_series(0, 1) k, named_weapons w
    WHERE pg_temp.r('weapons', n, k) < (ARRAY[0.6, 0.15])[k + 1]
        AND w.slot = floor(power(pg_temp.r('weapon', n, k), 1.5) * pg_temp.named_weapons_())
    """,
    f"""
    INSERT INTO circumstances (id, incident_id, case_id, number, version, fact_id, aspect, objective, pattern,
        distance_m, uncertainty_m, distance_method, basis, {_SOURCE})
    SELECT pg_temp.uid('circumstance', n, k), id, pg_temp.case_(), k + 1, 1, pg_temp.uid('circumstance', n, k),
        (ARRAY['military_objective', 'attack_pattern', 'front_distance'])[k + 1],
        CASE k WHEN 0 THEN {choice(evenly(MilitaryObjective), "pg_temp.r('objective', n)")} END,
        CASE k WHEN 1 THEN {choice(evenly(AttackPattern), "pg_temp.r('pattern', n)")} END,
        CASE k WHEN 2 THEN floor(pg_temp.r('distance', n) * 90000)::int END, CASE k WHEN 2 THEN 1000 END,
        CASE k WHEN 2 THEN 'map_of_control' END, 'as the source says', {_says("circumstance")}
    FROM made_incidents, generate_series(0, 2) k WHERE pg_temp.r('circumstances', n, k) < 0.45
    """,
    f"""
    INSERT INTO attributions (id, incident_id, case_id, number, version, fact_id, party_id, level, attributed_by_id,
        confidence, grounds, {_SOURCE})
    SELECT pg_temp.uid('attribution', n), id, pg_temp.case_(), 1, 1, pg_temp.uid('attribution', n),
        pg_temp.uid('organisation', 9 + n % 3), 'party', pg_temp.uid('organisation', n % 9), 'moderate',
        'direction of the remnants', {_says("attribution", k="0")}
    FROM made_incidents WHERE pg_temp.r('attributed', n) < 0.5
    """,
    f"""
    INSERT INTO related_incidents (id, incident_id, case_id, number, version, fact_id, relation, other_incident_id,
        basis, {_SOURCE})
    SELECT pg_temp.uid('related', n), id, pg_temp.case_(), 1, 1, pg_temp.uid('related', n), 'same_operation',
        pg_temp.uid('incident', n - 1), 'same night', {_says("related", k="0")}
    FROM made_incidents WHERE n > 1 AND pg_temp.r('related', n) < 0.05
    """,
    _superseded("casualty_counts", 0.1, {"minimum": "0", "comparator": "'up_to'", "maximum": "f.minimum + 9"}),
    _superseded("affected_objects", 0.1, {"damage": "'severe'"}),
    _superseded("weapon_identifications", 0.1, {"confidence": "'high'"}),
    _superseded("circumstances", 0.05, {"basis": "'as the source says now'"}),
)

_GRADES = {"confirmed": 3, "corroborated": 4, "single_source": 3, "contested": 1, "discounted": 1}
_GRADES |= {"under_verification": 2}

GRADINGS = (
    f"""
    INSERT INTO gradings (id, incident_id, number, grade, rationale, verdict_ids, origins_at_least, origins_at_most,
        other_sources, other_source_count, policy_version, supersedes, author_id, recorded_at, act)
    SELECT pg_temp.uid('grading', n, k), id, k, {choice(_GRADES, "pg_temp.r('grade', n, k)")}, 'As the sources say.',
        '{{}}', 0, 0, ARRAY['a report', 'another'], 2, 1, CASE WHEN k > 1 THEN pg_temp.uid('grading', n, k - 1) END,
        pg_temp.who(), pg_temp.at(t + 0.1 * k), pg_temp.act(t + 0.1 * k)
    FROM made_incidents, generate_series(1, 2) k WHERE pg_temp.r('graded', n) < (ARRAY[0.85, 0.2])[k]
    """,
    """
    INSERT INTO standards_of_proof (id, incident_id, number, standard, vocabulary, rationale, author_id, recorded_at,
        act)
    SELECT pg_temp.uid('standard', n), id, 1, pg_temp.one(pg_temp.standard_list(), pg_temp.r('standard', n)),
        'standards_of_proof/1', 'As the sources say.', pg_temp.who(), pg_temp.at(t + 0.15), pg_temp.act(t + 0.15)
    FROM made_incidents WHERE pg_temp.r('standards', n) < 0.3
    """,
    """
    INSERT INTO classifications (id, incident_id, number, qualifier, provisions, vocabulary, rationale, author_id,
        recorded_at, act)
    SELECT pg_temp.uid('classification', n, k), id, k, CASE WHEN k = 1 THEN 'alleged' ELSE 'assessed' END,
        ARRAY[pg_temp.one(pg_temp.provision_list(), pg_temp.r('provision', n, k))], 'provisions/1',
        'As the sources say.', pg_temp.who(), pg_temp.at(t + 0.12 * k), pg_temp.act(t + 0.12 * k)
    FROM made_incidents, generate_series(1, 2) k WHERE pg_temp.r('classified', n, k) < (ARRAY[0.4, 0.1])[k]
    """,
)

_STATES = {"lead": 4, "declined": 2, "collected": 1, "preserved": 15, "quarantined": 1, "in_verification": 6}
_STATES |= {"awaiting_peer_review": 5, "disputed": 1, "awaiting_sign_off": 5, "signed_off": 60}
_OUTCOMES = {"verified": 60, "partially_verified": 15, "inconclusive": 10, "misattributed": 7, "manipulated": 3}
_OUTCOMES |= {"excluded": 5}
_LEVELS = {"none": 5, "mild": 3, "severe": 2}

ITEMS = (
    f"""
    CREATE TEMP TABLE made_items ON COMMIT DROP AS
    SELECT n, pg_temp.uid('item', n) AS id, t, t + (1 - t) * (0.1 + 0.4 * pg_temp.r('judged', n)) AS t2, state,
        state IN ('awaiting_peer_review', 'disputed', 'awaiting_sign_off', 'signed_off') AS is_judged,
        state = 'signed_off' AND n % 7 = 0 AS is_judged_again,
        state NOT IN ('lead', 'declined') AS has_bytes, state = 'awaiting_peer_review' AND n % 5 = 0 AS is_blind,
        CASE WHEN state NOT IN ('lead', 'declined', 'collected') AND pg_temp.r('linked', n) < 0.85
            THEN 1 + floor(pg_temp.incidents_() * power(pg_temp.r('incident', n), 2))::bigint END AS incident,
        sha256(int8send(CASE WHEN n % 10 = 0 THEN n - 1 ELSE n END) || int8send(pg_temp.seed_())) AS sha256
    FROM generate_series(1, pg_temp.items_()) n,
        LATERAL (SELECT (n - pg_temp.r('when', n)) * 0.8 / pg_temp.items_() AS t,
            {choice(_STATES, "pg_temp.r('state', n)")} AS state) s
    """,
    "ANALYZE made_items",
    "ANALYZE made_incidents",
    """
    INSERT INTO blobs (sha256, size_bytes, media_type, extension, kind, first_received_at)
    SELECT DISTINCT ON (sha256) sha256, 1000 + n, CASE WHEN n % 3 = 0 THEN 'video/mp4' ELSE 'image/jpeg' END,
        CASE WHEN n % 3 = 0 THEN '.mp4' ELSE '.jpg' END, CASE WHEN n % 3 = 0 THEN 'video' ELSE 'image' END,
        pg_temp.at(t)
    FROM made_items WHERE has_bytes ORDER BY sha256, n
    """,
    f"""
    INSERT INTO evidence (id, case_id, state, version, round, blob_sha256, fingerprint_status, registered_by,
        registered_at, received_by, received_at, lead_address, lead_claim, reason_code, collector, method, acquired_at,
        source, source_address, claimed_from, claimed_to, claimed_place, file_name, notes, labels, settled_decoding,
        state_since, blind, blind_since)
    SELECT i.id, pg_temp.case_(), state, CASE WHEN is_judged THEN 6 ELSE 2 END,
        CASE WHEN is_judged_again THEN 2 WHEN is_judged OR state = 'in_verification' THEN 1 ELSE 0 END,
        CASE WHEN has_bytes THEN sha256 END, CASE WHEN has_bytes THEN 'done' END, pg_temp.who(), pg_temp.at(i.t),
        CASE WHEN has_bytes THEN pg_temp.who() END, CASE WHEN has_bytes THEN pg_temp.at(i.t) END,
        CASE WHEN NOT has_bytes THEN 'https://example.org/post/' || i.n END,
        CASE WHEN NOT has_bytes THEN p.words END,
        CASE state WHEN 'declined' THEN 'not_relevant' WHEN 'quarantined' THEN 'readback_mismatch' END,
        CASE WHEN has_bytes THEN 'Collector ' || i.n % 40 END, CASE WHEN has_bytes THEN 'download' END,
        CASE WHEN has_bytes THEN pg_temp.at(i.t) END,
        CASE WHEN has_bytes THEN 'channel ' || floor(power(pg_temp.r('channel', i.n), 2) * 3000) END,
        CASE WHEN has_bytes THEN 'https://example.org/channel/' || i.n END,
        CASE WHEN i.n % 2 = 0 THEN pg_temp.at(i.t) - interval '3 days' END,
        CASE WHEN i.n % 2 = 0 THEN pg_temp.at(i.t) - interval '2 days' END,
        CASE WHEN i.n % 2 = 0 THEN w.name ELSE w.local END || ', ' || p.word,
        'IMG_' || i.n || '.jpg',
        CASE WHEN i.n % 2 = 1 THEN p.words || ' ' || q.words
            || CASE WHEN i.n % 10000 = 17 THEN ' ' || pg_temp.needle() ELSE '' END END,
        CASE WHEN is_judged OR state = 'in_verification' OR pg_temp.r('labelled', i.n) < 0.7 THEN jsonb_build_object(
            'graphic_level', {choice(_LEVELS, "pg_temp.r('graphic', i.n)")},
            'child', pg_temp.r('child', i.n) < 0.1, 'sexual_violence', pg_temp.r('sexual', i.n) < 0.01,
            'distressing_audio', pg_temp.r('audio', i.n) < 0.05, 'languages', '["uk"]'::jsonb) END,
        CASE WHEN has_bytes THEN 1 ELSE 0 END, pg_temp.at(i.t2), CASE WHEN is_blind THEN 'pending' END,
        CASE WHEN is_blind THEN pg_temp.at(i.t) END
    FROM made_items i JOIN phrases p ON p.slot = {phrase("one", "i.n")}
        JOIN phrases q ON q.slot = {phrase("two", "i.n")} JOIN made_incidents w
        ON w.n = coalesce(i.incident, 1 + i.n % pg_temp.incidents_())
    ORDER BY i.n
    """,
    """
    INSERT INTO evidence_versions (id, number, act, until_act, state, version, round, blob_sha256, fingerprint_status,
        received_by, received_at, reason_code, labels, settled_decoding, priority, state_since, blind, blind_since)
    SELECT e.id, k, pg_temp.act(CASE WHEN k = 1 THEN t ELSE t2 END),
        CASE WHEN k = 1 AND is_judged THEN pg_temp.act(t2) END,
        CASE WHEN k = 1 AND is_judged THEN 'preserved' ELSE e.state END,
        CASE WHEN k = 1 THEN 2 ELSE 6 END, CASE WHEN k = 1 AND is_judged THEN 0 ELSE round END, blob_sha256,
        fingerprint_status, received_by, received_at, reason_code, CASE WHEN k = 2 OR NOT is_judged THEN labels END,
        settled_decoding, priority, pg_temp.at(CASE WHEN k = 1 THEN t ELSE t2 END),
        CASE WHEN k = 2 THEN blind END, CASE WHEN k = 2 THEN blind_since END
    FROM evidence e JOIN made_items i USING (id), generate_series(1, 2) k WHERE k = 1 OR is_judged
    """,
)

JUDGED = (
    """
    INSERT INTO incident_evidence (id, incident_id, evidence_id, depicts, counted, linked_by, linked_at, act,
        unlinked_by, unlinked_at, unlink_reason, unlinked_act)
    SELECT pg_temp.uid('link', i.n), m.id, i.id, i.n % 8 <> 0, i.n % 9 <> 0, pg_temp.who(), pg_temp.at(when_),
        pg_temp.act(when_), CASE WHEN is_over THEN pg_temp.who() END,
        CASE WHEN is_over THEN pg_temp.at(when_ + 0.02) END, CASE WHEN is_over THEN 'Another strike.' END,
        CASE WHEN is_over THEN pg_temp.act(when_ + 0.02) END
    FROM made_items i JOIN made_incidents m ON m.n = i.incident,
        LATERAL (SELECT greatest(i.t2, m.t) AS when_, i.n % 40 = 0 AS is_over) s
    """,
    """
    INSERT INTO findings (id, evidence_id, round, number, dimension, result, confidence, place_precision, methods,
        rationale, "references", author_id, recorded_at, place, act)
    SELECT pg_temp.uid('finding', n, k), id, 1, k, (ARRAY['location', 'provenance', 'content'])[k], 'established',
        'high', CASE WHEN k = 1 THEN 'exact' END,
        (ARRAY['{landmark_match,satellite_match}', '{reverse_image_search}', '{language_audio}']::text[])[k]::text[],
        'As the pictures show.', '{}', pg_temp.who(), pg_temp.at(t2), 'first', pg_temp.act(t2)
    FROM made_items, generate_series(1, 3) k WHERE is_judged AND (k < 3 OR n % 3 = 0)
    """,
    f"""
    INSERT INTO verdicts (id, evidence_id, round, version, outcome, rationale, incident_id, finding_ids,
        policy_version, signature_mode, self_reviewed, supersedes, author_id, submitted_at, act)
    SELECT pg_temp.uid('verdict', n, k), id, k, k, {choice(_OUTCOMES, "pg_temp.r('outcome', n, k)")},
        'As the findings say.', CASE WHEN n % 40 <> 0 THEN pg_temp.uid('incident', incident) END,
        ARRAY[pg_temp.uid('finding', n, 1), pg_temp.uid('finding', n, 2)], 1, 'none', false,
        CASE WHEN k = 2 THEN pg_temp.uid('verdict', n, 1) END, pg_temp.who(), pg_temp.at(t2 + (k - 1) * 0.05),
        pg_temp.act(t2 + (k - 1) * 0.05)
    FROM made_items, generate_series(1, 2) k WHERE is_judged AND (k = 1 OR is_judged_again)
    """,
    """
    INSERT INTO reviews (id, evidence_id, verdict_id, round, kind, leads_to, checked_sha256, reviewer_id, reviewed_at,
        act)
    SELECT pg_temp.uid('review', n, k), id, pg_temp.uid('verdict', n, k), k, 'sign_off', 'signed_off', sha256,
        pg_temp.who(),
        pg_temp.at(t2 + (k - 1) * 0.05 + 0.01), pg_temp.act(t2 + (k - 1) * 0.05 + 0.01)
    FROM made_items, generate_series(1, 2) k WHERE state = 'signed_off' AND (k = 1 OR is_judged_again)
    """,
    """
    CREATE TEMP TABLE made_pairs ON COMMIT DROP AS
    SELECT b.n, least(a.id, b.id) AS first_id, greatest(a.id, b.id) AS second_id, b.id AS query_id, b.t2 AS t,
        b.n % 10 = 0 AS is_exact, sha256(a.sha256 || b.sha256) AS key, b.sha256 AS query, a.sha256 AS reference
    FROM made_items b JOIN made_items a ON a.n = b.n - 1
    WHERE b.has_bytes AND a.has_bytes AND b.n % 10 IN (0, 5)
    """,
    """
    INSERT INTO blob_matches (key, query_sha256, reference_sha256, rule, tier, grounds, segments, found_at)
    SELECT key, query, reference, 'benchmark', 'same_picture', '{}', '[]', pg_temp.at(t) FROM made_pairs
    WHERE NOT is_exact
    """,
    """
    INSERT INTO matches (id, case_id, first_id, second_id, query_id, blob_match, tier, found_at, act)
    SELECT pg_temp.uid('match', n), pg_temp.case_(), first_id, second_id, query_id,
        CASE WHEN NOT is_exact THEN key END, CASE WHEN is_exact THEN 'exact' ELSE 'same_picture' END, pg_temp.at(t),
        pg_temp.act(t)
    FROM made_pairs
    """,
    """
    INSERT INTO relations (id, match_id, number, evidence_id, other_id, relation, reason, decided_by, decided_at, act)
    SELECT pg_temp.uid('relation', n), pg_temp.uid('match', n), 1, first_id, second_id,
        CASE WHEN is_exact THEN 'exact_copy' WHEN n % 4 = 0 THEN 'unrelated' ELSE 'same_capture' END, 'Looked at.',
        pg_temp.who(), pg_temp.at(t + 0.01), pg_temp.act(t + 0.01)
    FROM made_pairs WHERE n % 3 <> 0
    """,
)

POSITIONS = (
    """
    INSERT INTO ledger_positions (log_id, size, newest_act, stands_from)
    SELECT (SELECT max(id) FROM ledger_logs), k * pg_temp.total_() / pg_temp.positions_(),
        pg_temp.base_() + k * pg_temp.total_() / pg_temp.positions_(), pg_temp.at(k::float8 / pg_temp.positions_())
    FROM generate_series(1, pg_temp.positions_()) k
    """,
    """
    INSERT INTO ledger_late_acts (act, log_id, idx)
    SELECT DISTINCT ON (1) pg_temp.act(pg_temp.r('late', k)), (SELECT max(id) FROM ledger_logs)::smallint,
        floor((pg_temp.r('late', k) + 0.004) * pg_temp.total_())::bigint
    FROM generate_series(1, 50) k
    """,
    "SELECT setval('ledger_acts', pg_temp.base_() + 2 * pg_temp.total_())",
)

SEARCHED = tuple(
    f"INSERT INTO search_{many} ({columns}) SELECT {columns} FROM searchable_{many} WHERE case_id = pg_temp.case_()"
    for many, columns in (
        ("items", "id, case_id, at, closed_at, during, words"),
        ("incidents", "id, case_id, at, closes_at, during, latitude_microdegrees, longitude_microdegrees, words"),
    )
)
"""What triggers would have kept."""

_BITS = ", ".join(f"('{method}', {1 << place})" for place, method in enumerate(METHOD_BITS))
COUNTED = (
    """
    CREATE TEMP TABLE signed_off ON COMMIT DROP AS
    SELECT DISTINCT ON (s.id, s.number) s.id, s.number, s.act, s.until_act, v.id AS verdict_id, v.outcome,
        v.finding_ids, v.incident_id
    FROM evidence_versions s JOIN verdicts v ON v.evidence_id = s.id AND v.round <= s.round
    WHERE s.state = 'signed_off' ORDER BY s.id, s.number, v.version DESC
    """,
    "ANALYZE signed_off",
    f"""
    CREATE TEMP TABLE bits ON COMMIT DROP AS
    SELECT s.verdict_id, bit_or(m.bit) AS methods
    FROM signed_off s CROSS JOIN unnest(s.finding_ids) AS u (finding_id) JOIN findings f ON f.id = u.finding_id
        CROSS JOIN unnest(f.methods) AS w (method) JOIN (VALUES {_BITS}) AS m (method, bit) ON m.method = w.method
    WHERE s.outcome = 'verified' GROUP BY s.verdict_id
    """,
    """
    INSERT INTO counted_items (evidence_id, number, case_id, verdict_id, item, capture, media_kind, methods,
        verified_act, verified_until, linked_act)
    SELECT s.id, row_number() OVER (PARTITION BY s.id ORDER BY s.number), e.case_id, s.verdict_id,
        nextval('counted_item_numbers'), b.number, b.kind, coalesce(m.methods, 0), s.act, s.until_act, s.act
    FROM signed_off s JOIN evidence e ON e.id = s.id JOIN blobs b ON b.sha256 = e.blob_sha256
        LEFT JOIN bits m ON m.verdict_id = s.verdict_id
    WHERE s.outcome = 'verified'
    """,
    "ANALYZE counted_items",
    """
    INSERT INTO counted_items (evidence_id, number, case_id, incident_id, link_id, verdict_id, item, capture,
        media_kind, methods, verified_act, verified_until, linked_act, linked_until)
    SELECT t.evidence_id, m.last + row_number() OVER (PARTITION BY t.evidence_id ORDER BY t.number, l.linked_at, l.id),
        t.case_id, l.incident_id, l.id, t.verdict_id, t.item, t.capture, t.media_kind, t.methods, t.verified_act,
        t.verified_until, l.act, l.unlinked_act
    FROM counted_items t
    JOIN (SELECT evidence_id, max(number) AS last FROM counted_items GROUP BY evidence_id) m USING (evidence_id)
    JOIN signed_off s ON s.verdict_id = t.verdict_id AND s.act = t.verified_act
    JOIN incident_evidence l ON l.evidence_id = t.evidence_id AND l.counted
        AND (s.incident_id IS NULL OR s.incident_id = l.incident_id)
    """,
    """
    INSERT INTO decided_captures (match_id, number, case_id, is_same, evidence_id, other_id, capture, other_capture,
        decided_at, act)
    SELECT r.match_id, r.number, m.case_id, r.relation IN ('exact_copy', 'same_capture'), r.evidence_id, r.other_id,
        one.number, other.number, r.decided_at, r.act
    FROM relations r JOIN matches m ON m.id = r.match_id
        JOIN evidence e ON e.id = r.evidence_id JOIN blobs one ON one.sha256 = e.blob_sha256
        JOIN evidence f ON f.id = r.other_id JOIN blobs other ON other.sha256 = f.blob_sha256
    WHERE m.tier <> 'exact' AND one.number <> other.number
    """,
)
"""What triggers would have kept for figures: row by row, with keys checked, it takes ten times as long. An item is
signed off in one version at the most here."""

_LAST = "SET LOCAL session_replication_role = origin"
STATEMENTS = (
    *PHRASES,
    *CASE_FACTS,
    *INCIDENTS,
    *FACTS,
    *GRADINGS,
    *ITEMS,
    *JUDGED,
    *POSITIONS,
    *SEARCHED,
    *COUNTED,
    _LAST,
)
