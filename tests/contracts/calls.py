"""One harmless call (or several) for each operation, with the domain's rule for it.

The rules are written down here a second time, from the table "Roles" and the table of states in docs/domain.md, and are
not taken from the product: a change of either shows as a difference. Calls that would change something are made so that
they fail after access was granted: with a version that no object has, a name that is taken, a state that does not fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.kernel.primitives import canonical_json, sha256_hex
from tests.contracts.document import Documented, operations
from tests.contracts.world import LABELS, METADATA, MISSING, World, form

On = Literal["public", "self", "account", "administration", "auditing", "overseeing", "token", "case"]

ALL = frozenset({"collector", "verifier", "coordinator", "researcher", "legal_analyst", "custodian", "auditor"})
RECEIVE = frozenset({"collector", "verifier", "coordinator", "researcher", "custodian"})
PREVIEW = ALL - {"auditor"}
ORIGINAL = frozenset({"verifier", "coordinator", "researcher", "legal_analyst", "custodian"})
FINDINGS = frozenset({"verifier", "researcher"})
INCIDENTS = frozenset({"verifier", "coordinator", "researcher", "legal_analyst"})
CUSTODY = frozenset({"coordinator", "researcher", "legal_analyst", "custodian", "auditor"})
COORDINATOR = frozenset({"coordinator"})
RESEARCHER = frozenset({"researcher"})
CUSTODIAN = frozenset({"custodian"})
LEGAL_ANALYST = frozenset({"legal_analyst"})
COLLECTOR = frozenset({"collector"})
VERIFIER = frozenset({"verifier"})
ORGANISATION_AUDITOR = frozenset({"organisation_auditor"})


def figure_of(case: Mapping[str, str]) -> dict[str, Any]:
    """An answer that is of a case, and that nobody can have given: its tree is none."""
    query = {"form": "exhibit-figures/v1", "measure": "items", "cases": [case["case_id"]], "filters": {}}
    return {
        "measure": "items",
        "query": query,
        "query_sha256": sha256_hex(canonical_json(query)),
        "as_of": {"log": 1, "size": 0, "time": None},
        "head": {"origin": "elsewhere", "size": 0, "root": None},
        "asked_at": "2026-11-18T12:00:00Z",
        "total": {},
        "series": [],
        "counted": {"count": 0, "sha256": "00"},
    }


@dataclass(frozen=True)
class Call:
    """A call of ``operation`` on an object of ``kind``, and who may make it.

    ``on`` says which rule holds: for the case-bound ones ``may`` lists the roles, and ``own`` those that may on their
    own objects; on another's they get ``refused``. ``json`` is the body, or makes it of the world and which object.
    """

    operation: str
    on: On = "case"
    kind: str = "nothing"
    may: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    organisation: frozenset[str] = frozenset()
    scope: str = "read"
    """What the token must have been made for; empty: any will do."""
    refused: int = 403
    json: Any = None
    form: bool = False
    metadata: Mapping[str, Any] = field(default_factory=lambda: dict(METADATA))
    """Of a form that is understood."""
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    granted_codes: frozenset[str] = frozenset()
    """Refusals with 401, 403 or 404 that come after access was granted."""

    @property
    def documented(self) -> Documented:
        return operations()[self.operation]

    def request(self, world: World, which: str) -> dict[str, Any]:
        """Arguments for ``httpx.Client.request``."""
        documented = self.documented
        path = documented.path.format(**world.objects[self.kind][which], **self.path)
        made: dict[str, Any] = {"method": documented.method, "url": path, "params": {}, "headers": {}}
        made["params"] = {name: value.format(**world.objects[self.kind][which]) for name, value in self.query.items()}
        if "If-Match" in documented.parameters("header"):
            made["headers"]["If-Match"] = '"999999999"'
        if self.form:
            made["files"] = form(expected_sha256="0" * 64)
        elif self.json is not None:
            made["json"] = self.json(world, which) if callable(self.json) else self.json
        return made


def _read(operation: str, kind: str, may: frozenset[str] = ALL, **more: Any) -> Call:
    return Call(operation, kind=kind, may=may, **more)


def _write(operation: str, kind: str, may: frozenset[str], json: Any = None, **more: Any) -> Call:
    return Call(operation, kind=kind, may=may, scope="write", json=json, **more)


def _custody(operation: str, kind: str, *, own: frozenset[str] = frozenset(), **more: Any) -> Call:
    return Call(operation, kind=kind, may=CUSTODY | own, organisation=ORGANISATION_AUDITOR, **more)


def _original(operation: str, **more: Any) -> Call:
    return Call(operation, kind="evidence", may=ORIGINAL, own=COLLECTOR, scope="content", **more)


def _move(event: str, may: frozenset[str], **members: Any) -> Call:
    return _write("moveEvidence", "evidence", may, {"event": event, **members})


def _administer(operation: str, kind: str = "nothing", json: Any = None) -> Call:
    return Call(operation, "administration", kind, scope="admin", json=json)


def _erase(operation: str, kind: str, json: Any = None, **more: Any) -> Call:
    return Call(operation, kind=kind, may=CUSTODIAN, json=json, **{"scope": "write", **more})


def _export(world: World, which: str) -> dict[str, Any]:
    return {"scope": "case", "ids": [world.objects["case"][which]["case_id"]], "purpose": "audit"}


def _schedule(world: World, which: str) -> dict[str, Any]:
    return {"case": world.objects["case"][which]["case_id"], "purpose": "audit"}


def _release(world: World, which: str) -> dict[str, Any]:
    return {"export_id": world.objects["export"][which]["export_id"]}


def _hashes_in(case_id: str) -> dict[str, Any]:
    return {"algorithm": "pdq/1", "hashes": ["00" * 32], "case_ids": [case_id]}


DECIDES_EXPORT = frozenset({"coordinator", "researcher", "custodian"})
OUTSIDE_EVERY_PICTURE = {"boxes": [{"left": 999_999, "top": 0, "width": 9, "height": 9}]}
_GROUND = {"reason_code": "x_y", "authority": "x_y"}
_BAD_CREDENTIALS = frozenset({"bad_credentials"})
_NOT_SIGNED = frozenset({"size_not_signed"})
_NO_ANCHOR = frozenset({"no_such_anchor"})
_SEARCH = {"case_ids": [MISSING], "thresholds": {"pdq": 31}, "tier": "likely", "limit": 20}
_NO_SEARCH = frozenset({"no_such_search"})
_NO_MONTH = frozenset({"no_log_of_month"})
_NO_TILE = frozenset({"no_such_tile"})
_FINDING = {
    "dimension": "date",
    "result": "established",
    "confidence": "high",
    "methods": ["metadata"],
    "rationale": "The clock.",
}
ASSESSMENT = {
    "relevance": {"answer": "relevant"},
    "reliability": {"answer": "unknown"},
    "removal_risk": {"answer": "imminent"},
    "collection_safety": {"answer": "safe"},
    "obligations": {"answer": "none"},
}
_NO_DRAFT = frozenset({"no_draft"})
_WITHDRAWAL = {"stated": None, "supersedes": MISSING, "reason": "x"}
"""Of a fact that is not there."""
_FILE = {"purpose": "audit"}
PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""Of RFC 8032's first test: nobody here signs with it."""
_ENVELOPE = {
    "payload": "e30=",
    "payloadType": "application/vnd.in-toto+json",
    "signatures": [{"keyid": "0" * 64, "sig": "A" * 86 + "=="}],
}

PEOPLE = (
    Call(
        "createSession",
        "public",
        json={"email": "nobody@hub.example", "password": "wrong"},
        granted_codes=_BAD_CREDENTIALS,
    ),
    Call("deleteCurrentSession", "self", scope=""),
    Call("getMe", "self"),
    Call(
        "changeMyPassword",
        "self",
        scope="write",
        json={"old_password": "wrong", "new_password": "correct horse battery"},
        granted_codes=_BAD_CREDENTIALS,
    ),
    Call("createToken", "self", scope="write", json={"name": "x", "scopes": ["read"]}),
    Call(
        "createToken",
        "account",
        "account",
        scope="write",
        json=lambda world, which: {"name": "x", "scopes": ["read"], **world.objects["account"][which]},
    ),
    Call("listTokens", "self", scope="write"),
    Call("revokeToken", "token", "token", scope=""),
    Call("getUser", "account", "account"),
    _administer("createUser", json={"name": "x", "email": "outsider@hub.example"}),
    _administer("listUsers"),
    _administer("deactivateUser", "account"),
    _administer("resetPassword", "account", {"password": "correct horse battery"}),
)
CASES = (
    _administer("createCase", json={"title": "x", "coordinator_id": MISSING}),
    Call("listCases", "self"),
    _read("getCase", "case"),
    _write("updateCase", "case", COORDINATOR, {"title": "x"}),
    _write("closeCase", "case", COORDINATOR, {"reason": "x"}),
    _read("listMembers", "case"),
    _write("grantRole", "holder", COORDINATOR, path={"role": "auditor"}),
    _write("revokeRole", "stranger", COORDINATOR, path={"role": "legal_analyst"}),
    _write("lookUpAccount", "case", COORDINATOR, {"email": "outsider@hub.example"}),
    _read("getPolicy", "case"),
    _write("changePolicy", "case", COORDINATOR, {"required_dimensions": ["source"]}),
    _read("listNotices", "case", COORDINATOR),
    _read("measureAgreement", "case", COORDINATOR, query={"case": "{case_id}"}),
    _read("getFigure", "case", query={"case": "{case_id}", "by": "kind"}, path={"measure": "items"}),
    _read("drawFigure", "case", query={"case": "{case_id}", "by": "kind"}, path={"measure": "incidents"}),
    _read("drawIncidents", "case"),
    _read("listFigureMembers", "case", query={"case": "{case_id}"}, path={"measure": "incidents"}),
    Call("verifyFigure", kind="case", may=ALL, json=lambda world, which: figure_of(world.objects["case"][which])),
    _write("acknowledgeNotice", "notice", COORDINATOR),
)
EVIDENCE = (
    _write("receiveEvidence", "case", RECEIVE, {}),
    _write("receiveEvidence", "case", RECEIVE, form=True),
    _read("listEvidence", "case"),
    _write("receiveContent", "evidence", RECEIVE, form=True),
    _read("getEvidence", "evidence"),
    _write("setLabels", "evidence", COORDINATOR, LABELS),
    _write("assessLead", "evidence", RECEIVE, ASSESSMENT),
    _read("getAssessment", "evidence", granted_codes=frozenset({"not_assessed"})),
    _read("listAssessments", "evidence"),
    _write("correctEvidence", "evidence", RECEIVE, {"field": "notes", "value": "x", "reason": "x"}),
    _original("getContent", query={"purpose": "verification"}),
    _original("headContent"),
    _original("createContentUrl", json={"purpose": "verification"}),
    Call(
        "getSignedContent",
        "public",
        "evidence",
        query={"ticket": "x"},
        granted_codes=frozenset({"content_address_invalid"}),
    ),
    _read("getRenderings", "evidence"),
    _original(
        "getRendering",
        query={"purpose": "verification"},
        path={"kind": "thumbnail"},
        granted_codes=frozenset({"no_rendering", "preview_not_ready"}),
    ),
    _read("listFrames", "evidence"),
    _read("getFrame", "evidence", PREVIEW, path={"n": "0"}, granted_codes=frozenset({"no_frame"})),
    _read("getClaims", "evidence", granted_codes=frozenset({"claims_not_read"})),
    _read("getPreview", "evidence", PREVIEW),
    _read("getStrip", "evidence", PREVIEW, granted_codes=frozenset({"no_rendering", "preview_not_ready"})),
    Call("getLimits", "self"),
    _write("requestDecoding", "evidence", COORDINATOR | CUSTODIAN, {"reason": "x"}),
    _read("listMatches", "evidence"),
    _read("getMatch", "match"),
    _read("getComparison", "match", PREVIEW),
    _write("decideMatch", "match", FINDINGS, {"relation": "excerpt_of", "reason": "x"}),
    _read("listRelations", "evidence"),
    _read("getGroup", "evidence"),
    _read("listGroupMembers", "evidence"),
    _read("listGroups", "case"),
    _read("listFingerprints", "evidence"),
    Call("searchHashes", "self", json={"algorithm": "pdq/1", "hashes": ["00" * 32]}),
    Call("searchSimilar", "self", form=True, metadata=_SEARCH),
    Call("getSimilarSearch", "self", path={"search_id": MISSING}, granted_codes=_NO_SEARCH),
    Call("endSimilarSearch", "self", path={"search_id": MISSING}, granted_codes=_NO_SEARCH),
    _read("searchHashes", "case", json=lambda world, which: _hashes_in(world.objects["case"][which]["case_id"])),
    _read("listShots", "evidence"),
)
STOP_LIST = (
    Call("listStoppedFrames", "self"),
    Call("listStopListFrames", "overseeing"),
    Call("getStopListFrame", "overseeing", "stopped_frame"),
    _administer("stopFrame", json={"hash_version": "pdq/0", "value": "00", "kind": "other", "reason": "x"}),
    _administer("decideStopListFrame", "stopped_frame", {"decision": "release", "reason": "x"}),
)
LEDGER = (
    _custody("listEvidenceCustody", "evidence", own=VERIFIER),
    _custody("listIncidentCustody", "incident", own=VERIFIER),
    _custody("listCaseCustody", "case", own=VERIFIER),
    _custody("takeEvidenceCustodyFile", "evidence", query=_FILE),
    _custody("takeIncidentCustodyFile", "incident", query=_FILE),
    _custody("takeCaseCustodyFile", "case", query=_FILE),
    _custody("createExport", "case", json=_export),
    _custody("listExports", "case", query={"case_id": "{case_id}"}),
    _custody("getExport", "export"),
    _custody("getExportContent", "export"),
    _write("decideExport", "export", DECIDES_EXPORT, {"decision": "approve", "reason": "x"}),
    _write("createRelease", "export", DECIDES_EXPORT - CUSTODIAN, _release),
    _custody("listReleases", "case", query={"case_id": "{case_id}"}),
    _custody("getRelease", "release"),
    _custody("listReleaseItems", "release"),
    _custody("getReleasePins", "release"),
    _write("createTransfer", "export", CUSTODY - frozenset({"auditor"}), {"counterparty": "x", "purpose": "court"}),
    _custody("listTransfers", "export"),
    _custody("getTransfer", "transfer"),
    _write("revokeTransfer", "transfer", CUSTODY - frozenset({"auditor"}), {"reason": "x"}),
    Call(
        "acceptTransfer",
        "public",
        json={"token": "exr_nothing", "package_sha256": "0" * 64},
        granted_codes=frozenset({"transfer_unknown"}),
    ),
    _write("createRedaction", "evidence", ORIGINAL, OUTSIDE_EVERY_PICTURE),
    _read("listRedactions", "evidence"),
    _read("getRedaction", "redaction"),
    Call(
        "getRedactionContent",
        kind="redaction",
        may=ORIGINAL,
        own=COLLECTOR,
        scope="content",
        query={"purpose": "disclosure"},
    ),
    Call("getExportVerifier", "public"),
    Call("getExportVerifierPage", "public"),
    Call("getExportProfile", "public"),
    Call("listAuditedCases", "auditing"),
    Call("listSystemCustody", "auditing"),
    Call("takeSystemCustodyFile", "auditing", query=_FILE),
    Call("getCustodyVerifier", "public"),
    _custody("listLedgerEntries", "case", own=VERIFIER, query={"case": "{case_id}"}),
    Call("listLedgerEntries", "auditing"),
    _custody("takeLedgerEntriesFile", "case", query={"case": "{case_id}", **_FILE}),
    Call("takeLedgerEntriesFile", "auditing", query=_FILE),
    Call("getEntriesVerifier", "public"),
    _custody("createLogSchedule", "case", scope="write", json=_schedule),
    Call("createLogSchedule", "auditing", scope="write", json={"purpose": "audit"}),
    _custody("listLogSchedules", "case", query={"case": "{case_id}"}),
    Call("listLogSchedules", "auditing"),
    _custody("endLogSchedule", "log_schedule", scope="write"),
    _custody("listScheduledLogs", "log_schedule"),
    _custody("takeScheduledLog", "log_schedule", path={"month": "2026-01"}, query=_FILE, granted_codes=_NO_MONTH),
    Call("getMetrics", "administration"),
    Call("listAudits", "overseeing"),
    Call("getLedgerKey", "public"),
    Call("getLedgerKeys", "public"),
    Call("getLedgerCheckpoint", "public"),
    Call("getLedgerCheckpointOfSize", "public", path={"size": "1"}, granted_codes=_NOT_SIGNED),
    Call("getLedgerConsistency", "public", query={"old": "0"}),
    Call("getCheckpoint", "public"),
    Call("getCheckpointOfLog", "public", path={"log_id": "1"}),
    Call("getTileOfLog", "public", path={"log_id": "1", "level": "0", "index": "000.p/1"}, granted_codes=_NO_TILE),
    Call("getEntryBundleOfLog", "public", path={"log_id": "1", "index": "000.p/1"}, granted_codes=_NO_TILE),
    Call("listAnchors", "public"),
    Call("getAnchoredCheckpoint", "public", path={"size": "1"}, granted_codes=_NO_ANCHOR),
    Call("getAnchorRequest", "public", path={"size": "1", "authority": "hub"}, granted_codes=_NO_ANCHOR),
    Call("getAnchorResponse", "public", path={"size": "1", "authority": "hub"}, granted_codes=_NO_ANCHOR),
    Call("getTile", "public", path={"level": "0", "index": "000.p/1"}, granted_codes=_NO_TILE),
    Call("getEntryBundle", "public", path={"index": "000.p/1"}, granted_codes=_NO_TILE),
    Call(
        "getEntryProof",
        kind="entry",
        may=CUSTODY,
        own=VERIFIER,
        organisation=ORGANISATION_AUDITOR,
        refused=404,
    ),
    Call(
        "getEntryReceipt",
        kind="entry",
        may=CUSTODY,
        own=VERIFIER | COLLECTOR,
        organisation=ORGANISATION_AUDITOR,
        refused=404,
    ),
    _erase("eraseField", "entry", {"field": "nothing", **_GROUND}),
    _erase("requestEntryErasure", "entry", _GROUND),
    _erase("listErasureRequests", "case", scope="write"),
    _erase("decideErasureRequest", "erasure", {"decision": "refuse"}),
    _administer("eraseAccountField", "account", {"field": "name", **_GROUND}),
    Call("showProblems", "public"),
    Call("showProblem", "public", path={"code": "wrong_state"}),
    Call("getHealth", "public"),
    Call("getReadiness", "public"),
)
CONSENT = {
    "subject_id": MISSING,
    "subject": "S-3",
    "subject_kind": "source",
    "scopes": ["verification"],
    "obtained": "written",
    "given_on": "2026-07-14",
}
TESTIMONY = {
    "witness": "W-17",
    "text": "The ceiling fell.",
    "language": "uk",
    "taken_on": "2026-07-14",
    "taken_by": "Olena",
    "method": "interview_in_person",
    "required_scope": "verification",
    "supersedes": None,
}
_WITHDRAWAL = {"subject_id": MISSING, "withdrawn_on": "2026-07-14"}
_OPENINGS = frozenset({"coordinator", "researcher", "custodian"})
_NO_IDENTITY = frozenset({"identity_not_sealed"})
SOURCES = (
    _write("giveConsent", "evidence", ALL - {"auditor"}, CONSENT, granted_codes=frozenset({"unknown_subject"})),
    _write("withdrawConsent", "evidence", ALL - {"auditor"}, _WITHDRAWAL),
    _read("listConsents", "evidence"),
    _write("recordTestimony", "incident", INCIDENTS, {**TESTIMONY, "supersedes": MISSING}),
    _read("listTestimonies", "incident", PREVIEW),
    _read("getTestimony", "testimony", PREVIEW),
    _write("giveTestimonyConsent", "testimony", ALL - {"auditor"}, CONSENT),
    _write("withdrawTestimonyConsent", "testimony", ALL - {"auditor"}, _WITHDRAWAL),
    _read("listTestimonyConsents", "testimony", PREVIEW),
    _write(
        "sealWitness",
        "testimony",
        COORDINATOR,
        {"identity": {"name": "x"}, "supersedes": MISSING},
        own=RECEIVE - COORDINATOR,
    ),
    _read("getWitness", "testimony", PREVIEW, granted_codes=_NO_IDENTITY),
    _write(
        "requestWitnessOpening",
        "testimony",
        _OPENINGS,
        {"purpose": "consent", "reason": "x"},
        granted_codes=_NO_IDENTITY,
    ),
    _write("sealSource", "evidence", COORDINATOR, {"identity": {"name": "x"}}, own=RECEIVE - COORDINATOR),
    _read("getSource", "evidence", granted_codes=_NO_IDENTITY),
    _write(
        "requestSourceOpening",
        "evidence",
        _OPENINGS,
        {"purpose": "consent", "reason": "x"},
        granted_codes=_NO_IDENTITY,
    ),
    _read("listIdentityOpenings", "case", _OPENINGS, scope="write"),
    _write("decideIdentityOpening", "opening", COORDINATOR | CUSTODIAN, {"decision": "refuse"}),
    Call(
        "openIdentity",
        kind="opening",
        may=_OPENINGS,
        scope="content",
        granted_codes=frozenset({"opening_of_another"}),
    ),
)
QUEUE = (
    _write("assignEvidence", "evidence", COORDINATOR, {"person_id": MISSING}),
    _write("unassignEvidence", "evidence", COORDINATOR),
    _write("setPriority", "evidence", COORDINATOR, {"priority": "high"}),
    Call("listQueue", "self"),
    Call("getPreferences", "self"),
    Call("setPreferences", "self", scope="write", json={"languages": []}),
    Call("listOwnExposure", "self"),
    _read("listExposure", "case", COORDINATOR),
)
VERIFICATION = (
    _write("createIncident", "case", INCIDENTS, {"code": "I-1", "title": "x", "kind": "other"}),
    _read("listIncidents", "case"),
    _read("mapIncidents", "case"),
    _read("getIncident", "incident"),
    _write("updateIncident", "incident", INCIDENTS, {"title": "x"}),
    _write(
        "linkEvidence",
        "incident",
        INCIDENTS,
        lambda world, which: {**world.objects["evidence"][which], "depicts": True},
    ),
    _read("listIncidentEvidence", "incident"),
    _read("getIncidentOrigins", "incident"),
    _read("listIncidentOrigins", "incident"),
    _write("unlinkEvidence", "link", INCIDENTS, {"reason": "x"}),
    _write("gradeIncident", "incident", RESEARCHER, {"grade": "corroborated", "rationale": "x", "supersedes": None}),
    _read("listGradings", "incident"),
    _write("stateStandard", "incident", RESEARCHER, {"standard": "nothing", "rationale": "x", "supersedes": None}),
    _read("listStandards", "incident"),
    _write("classifyIncident", "incident", LEGAL_ANALYST, {"qualifier": "assessed", "rationale": "x"}),
    _read("listClassifications", "incident"),
    Call("listTerms", "self", path={"vocabulary": "provisions"}),
    _write("takeLease", "evidence", FINDINGS),
    _write("endLease", "evidence", COORDINATOR),
    _write("recordFinding", "evidence", FINDINGS, _FINDING),
    _read("listFindings", "evidence"),
    _read("listDrafts", "evidence"),
    _read("getDraft", "evidence", path={"dimension": "date"}, granted_codes=_NO_DRAFT),
    _write("saveDraft", "evidence", FINDINGS, {"rationale": "The clock."}, path={"dimension": "date"}),
    _write("discardDraft", "evidence", FINDINGS, path={"dimension": "date"}, granted_codes=_NO_DRAFT),
    _read("listRecycledQuestions", "evidence"),
    _read("listSuggestions", "evidence"),
    _read("listRecycledNotices", "case", COORDINATOR),
    _read("listVerdicts", "evidence"),
    _read("listReviews", "evidence"),
    _write("submitSecondVerdict", "evidence", FINDINGS, {"outcome": "verified", "rationale": "x"}),
    _read("listSecondVerdicts", "evidence"),
    _write("prepareVerdict", "evidence", FINDINGS, {"keyid": "0" * 64, "outcome": "verified", "rationale": "x"}),
    _read(
        "getVerdictEnvelope",
        "evidence",
        path={"verdict_id": MISSING},
        granted_codes=frozenset({"envelope_not_kept"}),
    ),
    _move("decline", COLLECTOR | COORDINATOR, reason_code="other"),
    _move("open_verification", VERIFIER | COORDINATOR),
    _move("submit", FINDINGS, verdict={"outcome": "verified", "rationale": "x"}),
    _move("withdraw", FINDINGS),
    _move("request_changes", FINDINGS, comment="x"),
    _move("concur", FINDINGS),
    _move("dissent", FINDINGS, comment="x"),
    _move("adjudicate", RESEARCHER, outcome="back", comment="x"),
    _move("sign_off", RESEARCHER),
    _move("return", RESEARCHER, reason="x"),
    _move("reopen", RESEARCHER | COORDINATOR, reason="x"),
)
_POINT = {"latitude": 50.45, "longitude": 30.48}
_STATES_NOTHING = {"stated": None, "supersedes": MISSING, "reason": "x"}
"""Of a fact that is not there."""
FACTS = (
    *(
        _write(operation, "incident", INCIDENTS, _STATES_NOTHING)
        for operation in (
            *("stateCasualties", "stateObject", "stateWeapon", "stateAttribution", "stateCircumstance"),
            "relateIncident",
        )
    ),
    *(
        _read(operation, "incident")
        for operation in (
            *("listCasualties", "listObjects", "listWeapons", "listAttributions", "listCircumstances"),
            *("listRelatedIncidents", "getCasualtyRanges", "getTerritoryControl"),
        )
    ),
    *(
        _write(operation, "case", INCIDENTS, _STATES_NOTHING)
        for operation in ("registerOrganisation", "stateTerritoryControl", "recordStatistic")
    ),
    _write("importRecords", "case", INCIDENTS, {"record": "nothing"}, query={"dry_run": "true"}),
    *(_read(operation, "case") for operation in ("listOrganisations", "listTerritoryControl", "listStatistics")),
)
AIDS = (
    Call("askSun", "self", json={**_POINT, "time": "2026-07-03T08:20:00Z"}),
    Call(
        "askShadow",
        "self",
        json={**_POINT, "first_day": "2026-07-03", "zone": "UTC", "azimuth": {"value": 278, "tolerance": 4}},
    ),
    Call("askDistance", "self", json={"from": _POINT, "to": {"latitude": 50.46, "longitude": 30.52}}),
)
REVIEWER_KEYS = (
    _write("prepareReviewerKey", "case", FINDINGS, query={"public_key": PUBLIC_KEY}),
    _write("requestReviewerKey", "case", FINDINGS, {"public_key": PUBLIC_KEY, "envelope": _ENVELOPE}),
    _read("listReviewerKeys", "case"),
    _read("getReviewerKey", "reviewer_key"),
    _write(
        "bindReviewerKey",
        "reviewer_key",
        COORDINATOR,
        {"checked_how": "x"},
        granted_codes=frozenset({"own_key_checked"}),
    ),
    _write("revokeReviewerKey", "reviewer_key", COORDINATOR, {"reason_code": "other"}, own=FINDINGS),
)
CALLS = (
    *(*PEOPLE, *CASES, *EVIDENCE, *STOP_LIST, *LEDGER, *SOURCES, *QUEUE, *VERIFICATION, *FACTS, *AIDS),
    *REVIEWER_KEYS,
)
