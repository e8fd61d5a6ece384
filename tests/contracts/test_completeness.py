"""What every operation of a kind has in common, read from the OpenAPI document: exceptions are listed with a reason."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.contracts.document import Documented, document, operations

pytestmark = pytest.mark.contract

CREATES_WITHOUT_KEY = {
    "createSession": "anybody calls it; a repeated sign-in is another session",
    "correctEvidence": "If-Match: a repeated request finds another version",
    "eraseField": "it happens once: a repeated request finds nothing left",
    "eraseAccountField": "it happens once: a repeated request finds nothing left",
    "sealWitness": "a digest of the request would be one of the identity; a repeated one finds another identity",
    "requestWitnessOpening": "of one person one request is open for an identity: a repeated one is refused",
    "requestSourceOpening": "of one person one request is open for an identity: a repeated one is refused",
    "requestEntryErasure": "one request is open for an entry: a repeated one is refused",
}
CHANGES_WITHOUT_VERSION = {
    "deleteCurrentSession": "it ends once; nobody else's change can be lost",
    "revokeToken": "revoking again changes nothing",
    "grantRole": "giving it again changes nothing",
    "acknowledgeNotice": "doing so again changes nothing",
    "revokeRole": "it names account and role; taking it again is refused",
    "unlinkEvidence": "a link ends once",
    "endLogSchedule": "a schedule ends once; doing so again changes nothing",
    "takeLease": "the row's lock decides between two; one's own is made longer",
    "changeMyPassword": "it needs the old password",
    "createContentUrl": "it changes nothing",
    "lookUpAccount": "it changes nothing",
    "importRecords": "it only adds, and what has a known external reference is not added again",
    "prepareVerdict": "it changes nothing",
    "searchHashes": "it changes nothing",
    "searchSimilar": "it changes nothing",
    "verifyFigure": "it changes nothing",
    "askSun": "it changes nothing",
    "askShadow": "it changes nothing",
    "askDistance": "it changes nothing",
    "discardDraft": "one's own, which nobody else changes",
    "endSimilarSearch": "nobody else's change can be lost",
    "bindReviewerKey": "a key is bound once",
    "revokeReviewerKey": "a key is revoked once",
    "decideErasureRequest": "a request is decided once",
    "decideIdentityOpening": "a request is decided once",
    "revokeTransfer": "a transfer ends once",
    "acceptTransfer": "a transfer ends once",
    "decideExport": "a package is decided about once",
    "openIdentity": "an approval opens once",
    "setPreferences": "nobody else's change can be lost; of one's own the last holds",
}
WITHOUT_AS_OF = {
    "they say what is to be done now": {
        *("listQueue", "listDrafts", "getDraft", "getPreferences", "listExposure", "listOwnExposure", "listNotices"),
        *("listRecycledNotices", "listRecycledQuestions", "listSuggestions"),
    },
    "worked out of matches and relations, which have it": {
        *("getGroup", "listGroups", "listGroupMembers", "getIncidentOrigins", "listIncidentOrigins"),
    },
    "each says itself since when, and the custody log tells the rest": {
        *("getCase", "listCases", "getReviewerKey", "listReviewerKeys", "getSource", "getWitness"),
        *("listIdentityOpenings", "listErasureRequests", "listExports", "getExport", "listTransfers", "getTransfer"),
        *("listReleases", "getRelease", "listReleaseItems", "getReleasePins", "listRedactions", "getRedaction"),
        *("getVerdictEnvelope", "prepareReviewerKey"),
    },
    "of bytes, which never change": {
        *("getClaims", "getContent", "getSignedContent", "getPreview", "getStrip", "listFrames", "getFrame"),
        *("listFingerprints", "listShots", "getRenderings", "getRendering", "getRedactionContent", "getComparison"),
        *("getExportContent", "getSimilarSearch"),
    },
}
"""What is read of a case's things and takes no ``as_of``: docs/as-of.md says it too."""
OF_A_CASE = ("cases", "evidence", "incidents", "testimonies", "matches", "exports", "releases", "statistics", "queue")
OF_THE_LOG = ("custody", "custody/file")
RECORDS_NOTHING = {
    *("prepareVerdict", "searchHashes", "searchSimilar", "endSimilarSearch", "verifyFigure"),
    *("askSun", "askShadow", "askDistance", "saveDraft", "discardDraft", "setPreferences"),
}
VERSION_IF_LIKED = {"saveDraft": "saved by itself while its author types; with If-Match it is checked"}
SERVER_SET = frozenset(
    {
        *(
            "id",
            "case_id",
            "owner",
            "owner_id",
            "role",
            "state",
            "status",
            "round",
            "version",
            "number",
            "sha256",
            "size",
        ),
        *("size_bytes", "media_type", "storage_key", "path", "url", "created_at", "created_by", "registered_at"),
        *("registered_by", "received_at", "received_by", "recorded_at", "decided_by", "decided_at", "author_id"),
        *("submitted_at", "linked_by", "linked_at", "reviewer_id", "reviewed_at", "is_active", "self_reviewed"),
        *("fingerprint_status", "pseudonym", "kind_of_token", "secret_sha256", "receipts", "policy_version"),
    }
)


def schema(reference: Any) -> dict[str, Any]:
    """A schema with its reference resolved."""
    if isinstance(reference, dict) and "$ref" in reference:
        found: dict[str, Any] = document()["components"]["schemas"][reference["$ref"].rpartition("/")[2]]
        return found
    made: dict[str, Any] = reference
    return made


def success(documented: Documented) -> dict[str, Any]:
    """The JSON schema of the answer to a request that was done."""
    for status in ("200", "201"):
        content = documented.facts["responses"].get(status, {}).get("content", {})
        if "application/json" in content:
            return schema(content["application/json"]["schema"])
    return {}


def fields(part: Any) -> Iterator[str]:
    """The names of a request's fields, those of inner objects too, with dots."""
    found = schema(part)
    for name, member in found.get("properties", {}).items():
        yield name
        yield from (f"{name}.{inner}" for inner in fields(member))
    for key in ("anyOf", "oneOf", "allOf"):
        for variant in found.get(key, ()):
            yield from fields(variant)
    if "items" in found:
        yield from fields(found["items"])


def has_example(media_type: dict[str, Any]) -> bool:
    found = schema(media_type["schema"])
    stated = bool(media_type.get("examples") or found.get("examples"))
    required = [schema(found["properties"][name]) for name in found.get("required", ()) if "properties" in found]
    return stated or (bool(required) and all(member.get("examples") for member in required))


def test_operations_when_they_create_then_take_an_idempotency_key() -> None:
    without = {
        name
        for name, documented in operations().items()
        if "201" in documented.facts["responses"] and "Idempotency-Key" not in documented.parameters("header")
    }
    assert without == set(CREATES_WITHOUT_KEY)


def test_operations_when_they_change_then_need_the_version_that_was_read() -> None:
    changes = {
        name
        for name, documented in operations().items()
        if documented.method in ("PATCH", "PUT", "DELETE")
        or (documented.method == "POST" and 200 in documented.statuses)
    }
    without = {name for name in changes if "If-Match" not in operations()[name].parameters("header")}
    assert without == set(CHANGES_WITHOUT_VERSION)
    for name in changes - without - VERSION_IF_LIKED.keys():
        assert {412, 428} <= operations()[name].statuses, f"{name} does not document 412 and 428"


def test_operations_when_they_change_then_may_wait_until_the_act_is_provable() -> None:
    for name, documented in operations().items():
        is_act = documented.method not in ("GET", "HEAD") and name not in RECORDS_NOTHING
        assert ("wait" in documented.parameters("query")) is is_act, name


def test_reads_when_they_are_of_a_case_then_take_as_of_or_it_is_said_why_not() -> None:
    of_case = {
        name: documented
        for name, documented in operations().items()
        if documented.method == "GET"
        and documented.path.split("/")[2:3]
        and (documented.path.split("/")[2] in (*OF_A_CASE, "me", "similar"))
        and not documented.path.endswith(OF_THE_LOG)
    }
    without = {name for name, documented in of_case.items() if "as_of" not in documented.parameters("query")}
    assert without - {"getMe"} == set().union(*WITHOUT_AS_OF.values())
    assert len(of_case) - len(without) > 35


def test_operations_when_they_list_then_are_paged() -> None:
    lists = [documented for name, documented in operations().items() if name.startswith("list")]
    assert len(lists) > 10
    for documented in lists:
        assert {"limit", "cursor"} <= documented.parameters("query"), documented.name
        answer = success(documented)
        besides = {"likely_left_out"} if documented.name == "listMatches" else set()
        if "as_of" in documented.parameters("query"):
            besides = besides | {"as_of"}
        assert set(answer["properties"]) == {"items", "next_cursor", "limit"} | besides, documented.name
        assert {"items", "next_cursor", "limit"} <= set(answer["required"]), documented.name


def test_answers_when_they_hold_several_things_then_are_pages() -> None:
    for name, documented in operations().items():
        if documented.method == "GET" and "items" in success(documented).get("properties", {}):
            assert name.startswith("list"), f"{name} answers with a list and is not named so"
        assert success(documented).get("type") != "array", f"{name} answers with a bare array"


def test_bodies_when_documented_then_show_an_example() -> None:
    without = [
        f"{name} ({media_type})"
        for name, documented in operations().items()
        for media_type, content in documented.body.items()
        if media_type == "application/json" and not has_example(content)
    ]
    assert without == []


def test_bodies_when_documented_then_hold_nothing_that_the_server_sets() -> None:
    wrong = [
        f"{name}: {field}"
        for name, documented in operations().items()
        if name not in ("verifyFigure", "createRelease")  # Answers that the server gave.
        for content in documented.body.values()
        for field in fields(content["schema"])
        if field.rpartition(".")[2] in SERVER_SET
    ]
    assert wrong == []


def test_fields_when_walked_then_inner_objects_are_seen() -> None:
    """The walk above is not blind: it sees what it must in known bodies."""
    incident = set(fields(operations()["createIncident"].body["application/json"]["schema"]))
    assert {"place.latitude", "occurred.zone", "code"} <= incident
    assert "metadata.labels.graphic_level" in set(
        fields(operations()["receiveEvidence"].body["multipart/form-data"]["schema"])
    )
    assert "verdict.outcome" in set(fields(operations()["moveEvidence"].body["application/json"]["schema"]))


def test_changes_when_answered_then_carry_their_receipts() -> None:
    secretless = {name for name, documented in operations().items() if documented.method != "GET"}
    without = {
        name
        for name in secretless
        if success(operations()[name]) and "receipts" not in success(operations()[name])["properties"]
    }
    told_by_use = {"createContentUrl", "lookUpAccount", "searchHashes", "searchSimilar", "prepareVerdict"}
    assert without - RECORDS_NOTHING == told_by_use - RECORDS_NOTHING, "their use is the act, not their making"
