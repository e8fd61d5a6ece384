"""What the application's database role may do to each table: an explicit table, compared with the migrated database.

A right that nobody wrote down here is a failure, and so is a table without a row: what is append-only for the domain
must be so for PostgreSQL, whatever the code does.
"""

import psycopg
import pytest

from app.kernel.database import Base
from app.tables import MODULES
from tests.support.databases import TestDatabase

pytestmark = pytest.mark.contract

APPEND = frozenset({"SELECT", "INSERT"})
READ = frozenset({"SELECT"})
EDIT = frozenset({"SELECT", "INSERT", "UPDATE"})
ALL = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
SET = frozenset({"SELECT", "INSERT", "DELETE"})

VIEWS = frozenset({"searchable_incidents", "searchable_items"})
"""Which no model describes."""
APPLICATION = {
    # Append-only for ever.
    "ledger_queue": APPEND,
    # Added to; a row goes only with the entry that erases it.
    **dict.fromkeys(("ledger_bodies", "ledger_disclosures", "verdict_envelopes"), SET),
    "ledger_erased_bodies": READ,
    # Written and destroyed, read by nobody: a function hands one out for an approved opening.
    "vault_secrets": frozenset({"INSERT", "DELETE"}),
    "vault_identities": APPEND,
    "consents": APPEND,
    "testimonies": APPEND,
    # What stands is worked out by a trigger.
    "consent_standing": READ,
    "case_member_versions": READ,
    "vault_openings": APPEND,  # And its decision, below.
    # And its decision, below.
    "erasure_requests": APPEND,
    **dict.fromkeys(("case_policies", "case_pseudonyms", "blobs", "evidence_corrections", "decodings"), APPEND),
    "decoder_reports": APPEND,
    **dict.fromkeys(("derivatives", "fingerprints", "local_features", "shots", "blob_matches", "matches"), APPEND),
    "match_tiers": APPEND,
    "relations": APPEND,
    "match_notices": APPEND,  # And their acknowledgement, below.
    **dict.fromkeys(("match_comparisons", "blob_stops"), EDIT),
    **dict.fromkeys(("finding_citations", "recycled_answers", "lead_assessments", "recycled_notices"), APPEND),
    "finding_drafts": SET,  # And what is saved anew, below.
    **dict.fromkeys(("findings", "verdicts", "second_verdicts", "verdict_withdrawals", "reviews"), APPEND),
    **dict.fromkeys(("reviewer_key_holders", "reviewer_keys", "reviewer_key_bindings"), APPEND),
    **dict.fromkeys(("reviewer_key_revocations", "verdict_signatures"), APPEND),
    **dict.fromkeys(("gradings", "standards_of_proof", "classifications"), APPEND),
    **dict.fromkeys(("casualty_counts", "affected_objects", "weapon_identifications", "attributions"), APPEND),
    **dict.fromkeys(("circumstances", "related_incidents", "organisations"), APPEND),
    **dict.fromkeys(("territory_controls", "external_statistics"), APPEND),
    **dict.fromkeys(("incidents", "incident_evidence"), APPEND),  # And some columns, below.
    # The integrator's alone; of entries, streams and logs the application writes some columns, below.
    **dict.fromkeys(("ledger_leaves", "ledger_nodes", "ledger_checkpoints"), READ),
    "ledger_cosignatures": APPEND,
    # How far the asking of witnesses and time-stamping authorities is; what is settled is held by a trigger.
    **dict.fromkeys(("witnesses", "anchors"), EDIT),
    **dict.fromkeys(("ledger_halts", "ledger_keys"), READ),
    **dict.fromkeys(("ledger_streams", "ledger_entries", "ledger_logs"), READ),
    # It only rises, each time with the entry of a viewing.
    "exposures": EDIT,
    **dict.fromkeys(("exports", "export_downloads"), EDIT),
    "redactions": APPEND,  # And the copy, once.
    **dict.fromkeys(("releases", "release_items", "release_figures"), APPEND),
    "vault_keys": READ,
    **dict.fromkeys(("log_schedules", "stored_logs"), EDIT),
    # Kept by triggers, with their owner's rights; two are views.
    **dict.fromkeys(("search_incidents", "search_items"), READ),
    **dict.fromkeys(VIEWS, READ),
    "transfers": APPEND,  # And how each ended, once.
    "export_media": APPEND,  # And what was read of each, once.
    # Settings on which guards rest, as starts put them on record.
    "self_review_settings": APPEND,
    # Present state, whose every change needs an entry.
    **dict.fromkeys(("accounts", "tokens", "cases", "evidence", "evidence_views"), EDIT),
    # Written by triggers, with their owner's rights.
    **dict.fromkeys(("fingerprint_batches", "ledger_positions", "ledger_late_acts"), READ),
    **dict.fromkeys(("evidence_versions", "incident_versions", "counted_items", "decided_captures"), READ),
    "index_checks": APPEND,
    # Which decoding's results are in force; a trigger lets it only rise.
    "rules_in_force": EDIT,
    "stop_list": EDIT,
    "stop_list_progress": frozenset({"SELECT", "UPDATE"}),
    **dict.fromkeys(("sign_in_failures", "case_members"), SET),
    # Nothing of the domain: answers to repeat, how far jobs have come.
    **dict.fromkeys(("stored_answers", "fingerprint_progress", "similar_searches", "preferences"), ALL),
}
SOURCE = ("source_document", "source_page", "source_address")
ERASABLE_OF_FACTS = ("reason", "external_reference", "erased")
UPDATABLE_COLUMNS = {
    "ledger_streams": {"head_seq", "head_commitment", "next_label"},
    "incidents": {
        *("code", "title", "kind", "occurred_from", "occurred_to", "occurred_zone", "occurred_basis", "place_name"),
        *(
            "latitude_microdegrees",
            "longitude_microdegrees",
            "place_precision",
            "place_radius_m",
            "external_reference",
            "administrative_units",
            "version",
            "erased",
        ),
    },
    "export_media": {"sha512", "crc32"},
    "transfers": {"state", "confirmed_sha256", "signature", "accepted_at", "revoked_by", "revoked_at"},
    "redactions": {
        *("state", "error", "tool", "tool_version", "sha256", "size_bytes", "width", "height", "made_at"),
    },
    "incident_versions": {
        *("code", "title", "occurred_basis", "place_name", "latitude_microdegrees", "longitude_microdegrees"),
        *("administrative_units", "place_radius_m", "erased"),
    },
    "incident_evidence": {"unlinked_by", "unlinked_at", "unlink_reason", "note", "erased"},
    "match_notices": {"acknowledged_by", "acknowledged_at"},
    "testimonies": {"pseudonym", "text", "taken_by", "erased"},
    "consents": {"pseudonym", "reason", "erased"},
    "vault_openings": {"decision", "decided_by", "decided_at"},
    "erasure_requests": {"decision", "decided_by", "decided_at"},
    # What an erasure empties, and nothing else of these rows.
    "evidence_corrections": {"value", "reason", "erased"},
    "relations": {"reason", "erased"},
    "findings": {
        *("time_basis", "rationale", "references", "sources", "latitude_microdegrees", "longitude_microdegrees"),
        "erased",
    },
    "finding_drafts": {"content", "version", "saved_at"},
    "recycled_answers": {"reason", "erased"},
    "lead_assessments": {"reasons", "erased"},
    "verdicts": {"rationale", "erased"},
    "second_verdicts": {"rationale", "erased"},
    "reviews": {"comment", "erased"},
    "gradings": {"rationale", "other_sources", "erased"},
    "standards_of_proof": {"rationale", "erased"},
    "classifications": {"rationale", "body", "decision_reference", "erased"},
    "organisations": {"name", "name_key", "short_name", "address", "aliases", *ERASABLE_OF_FACTS},
    "casualty_counts": {"as_reported", *SOURCE, *ERASABLE_OF_FACTS},
    "affected_objects": {"name", "part", "protection_basis", *SOURCE, *ERASABLE_OF_FACTS},
    "weapon_identifications": {
        *("reported", "reported_key", "normalised", "normalised_key", "normalisation_note"),
        *(*SOURCE, *ERASABLE_OF_FACTS),
    },
    "attributions": {"detail", "grounds", *SOURCE, *ERASABLE_OF_FACTS},
    "circumstances": {"basis", *SOURCE, *ERASABLE_OF_FACTS},
    "related_incidents": {"basis", *SOURCE, *ERASABLE_OF_FACTS},
    "territory_controls": {"area", "area_key", "basis", *SOURCE, *ERASABLE_OF_FACTS},
    "external_statistics": {"figure", "counts", "area", *SOURCE, *ERASABLE_OF_FACTS},
    "reviewer_key_bindings": {"checked_how", "erased"},
    "reviewer_key_revocations": {"reason", "erased"},
}
INTEGRATOR = {
    **dict.fromkeys(("ledger_leaves", "ledger_nodes", "ledger_checkpoints"), APPEND),
    **dict.fromkeys(("ledger_halts", "ledger_keys"), APPEND),  # And ``last_size`` of a key, once.
    **dict.fromkeys(("ledger_logs", "ledger_entries"), READ),
    "ledger_queue": frozenset({"SELECT", "DELETE"}),
    "witnesses": READ,
}

TABLE_GRANTS = """
SELECT table_name, privilege_type FROM information_schema.role_table_grants
WHERE table_schema = 'public' AND grantee = %s AND table_name NOT LIKE 'procrastinate_%%'
"""
COLUMN_GRANTS = """
SELECT table_name, column_name FROM information_schema.column_privileges
WHERE table_schema = 'public' AND grantee = 'exhibit_app' AND privilege_type = 'UPDATE'
"""


def granted(database: TestDatabase, role: str) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    with psycopg.connect(database.owner_url) as connection:
        for table, privilege in connection.execute(TABLE_GRANTS.encode(), [role]):
            found.setdefault(table, set()).add(privilege)
    return {table: frozenset(privileges) for table, privileges in found.items()}


def test_application_when_its_grants_are_read_then_are_those_written_here(database: TestDatabase) -> None:
    assert granted(database, "exhibit_app") == APPLICATION


def test_integrator_when_its_grants_are_read_then_are_those_written_here(database: TestDatabase) -> None:
    assert granted(database, "exhibit_integrator") == INTEGRATOR


def test_tables_when_declared_by_models_then_each_has_its_grants_here() -> None:
    assert MODULES, "the models are imported"
    assert {table for table in Base.metadata.tables if not table.startswith("procrastinate_")} == set(
        APPLICATION
    ) - VIEWS


def test_columns_when_updatable_in_tables_that_are_not_then_are_those_written_here(database: TestDatabase) -> None:
    found: dict[str, set[str]] = {}
    with psycopg.connect(database.owner_url) as connection:
        for table, column in connection.execute(COLUMN_GRANTS.encode()):
            if "UPDATE" not in APPLICATION.get(table, ALL):
                found.setdefault(table, set()).add(column)
    assert found == UPDATABLE_COLUMNS


def test_public_when_its_grants_are_read_then_there_are_none(database: TestDatabase) -> None:
    assert granted(database, "PUBLIC") == {}
