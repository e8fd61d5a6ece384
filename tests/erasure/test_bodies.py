"""A body that is gone: the chain, the tree, the audit, the table and the verifier go on without it, and say so."""

import csv
import io
import json
from typing import Any

import pytest
from sqlalchemy.orm import Session, sessionmaker

from app.exports.verifier.verify_custody import Report, describe, parse_key, verify
from tests.erasure.hub import GROUND, Hub
from tests.erasure.test_everywhere import audited
from tests.ledger.acts import verifier_key
from tests.support.journey import ok

Sessions = sessionmaker[Session]


def erase_body(hub: Hub, entry: dict[str, Any]) -> None:
    path = f"/v1/ledger/entries/{entry['commitment']}/erasure-requests"
    made = ok(hub.custodian.post(path, json=GROUND), 201)
    decision = {"decision": "approve"}
    ok(hub.people["second custodian"].post(f"/v1/erasure-requests/{made['id']}/decision", json=decision))


def checked(sessions: Sessions, content: bytes) -> Report:
    return verify(io.BytesIO(content), parse_key(verifier_key(sessions).encode()))


def test_files_when_taken_before_and_after_then_both_verify_and_the_later_names_what_is_withheld(
    hub: Hub, sessions: Sessions
) -> None:
    before = hub.take()
    item = hub.items[0]
    first, finding = hub.entry("evidence.collected", item), hub.entry("evidence.finding_recorded", item)
    erase_body(hub, first)
    erase_body(hub, finding)
    ok(hub.erase(hub.entry("evidence.submitted", item), "rationale"), 201)
    for disclose in ("all", "none"):
        content = hub.take(disclose=disclose)
        report = checked(sessions, content)
        assert report.findings == []
        assert report.result_of("completeness") == "proven"
        bodies = [(item, first["seq"], ""), (item, finding["seq"], "")]
        assert [each for each in report.withheld if not each[2]] == bodies
        told = "\n".join(describe(report))
        assert f"stream {item}, seq {first['seq']}: erased; what was done, by whom and when is not shown" in told
        assert "not proven   what an erased entry or field said" in told
        withheld = [json.loads(line) for line in content.splitlines() if b'"withheld"' in line]
        assert {each["commitment"] for each in withheld} == {first["commitment"], finding["commitment"]}
        assert all(set(each) == {"withheld", "stream", "seq", "label", "next", "commitment"} for each in withheld)
    assert checked(sessions, before).findings == []
    assert checked(sessions, before).withheld == []
    item_file = hub.take(scope="evidence", object_id=item)
    assert checked(sessions, item_file).findings == []
    assert audited(sessions).faults == []
    assert not [each for each in hub.entries() if each["commitment"] == first["commitment"] and each["data"]]


def test_csv_when_a_body_is_gone_then_its_row_says_withheld_and_nothing_of_the_act(hub: Hub) -> None:
    entry = hub.entry("evidence.collected", hub.items[0])
    erase_body(hub, entry)
    answer = hub.custodian.get(
        f"/v1/cases/{hub.case_id}/custody/file", params={"purpose": "audit", "format": "csv", "disclose": "none"}
    )
    [row] = [row for row in csv.DictReader(io.StringIO(answer.text)) if row["entry_sha256"] == entry["commitment"]]
    assert (row["stream"], row["seq"], row["type"]) == (entry["stream"], str(entry["seq"]), "withheld")
    assert int(row["log_index"]) >= 0
    assert {row[name] for name in ("time", "occurred", "actor", "role", "object", "object_sha256")} == {""}


def withheld(content: bytes, hub: Hub, commitment: str, **changed: Any) -> bytes:
    """The file with an entry's line replaced by a withheld one that nobody logged, and a fitting trailer."""
    lines = content.splitlines()
    place = next(at for at, line in enumerate(lines) if json.loads(line).get("prev") == commitment) - 1
    value = json.loads(lines[place])
    shown = {name: value[name] for name in ("stream", "seq", "label", "next")}
    shown |= {"withheld": "erased", "commitment": commitment, **changed}
    lines[place] = json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()
    return b"\n".join(lines) + b"\n"


@pytest.mark.parametrize("changed", [{}, {"next": "0" * 64}, {"label": "0" * 64}])
def test_entry_when_withheld_without_an_erasing_entry_then_the_verifier_says_so(
    hub: Hub, sessions: Sessions, changed: dict[str, str]
) -> None:
    entry = hub.entry("evidence.collected", hub.items[0])
    forged = withheld(hub.take(disclose="none"), hub, entry["commitment"], **changed)
    report = checked(sessions, forged)
    assert "chain" in report.failed
    said = [found.reason for found in report.findings if (found.stream, found.seq) == (entry["stream"], entry["seq"])]
    assert "withheld as erased, and no later entry of its stream erased it" in said


def test_disclosure_when_left_out_without_an_erasing_entry_then_the_verifier_says_so(
    hub: Hub, sessions: Sessions
) -> None:
    lines = hub.take().splitlines()
    at = next(place for place, line in enumerate(lines) if b'"kind":"disclosure"' in line)
    report = checked(sessions, b"\n".join([*lines[:at], *lines[at + 1 :]]) + b"\n")
    assert "disclosures" in report.failed
