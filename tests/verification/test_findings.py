"""What a finding says in full: references, points, methods; and that the case's policy decides what is complete."""

import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.cases.policy import Policy
from app.cases.service import change_policy
from app.incidents.rules import PlacePrecision
from app.kernel.primitives import new_id
from app.ledger.event import EntryActor, EntryObject, first_link, seal_event
from app.verification.errors import FindingsMissing, MethodsMissing, PrecisionDoesNotFit, ReferenceNotFound
from app.verification.events import FindingRecorded
from app.verification.models import FindingCitation, Verdict
from app.verification.references import Reference, SourceKind
from app.verification.rules import Dimension, FindingResult, Method, Point
from app.verification.stated import Stated
from tests.factories import commit_in, make_case, make_item
from tests.verification.bench import Bench

SCENE = Reference(
    SourceKind.SATELLITE_IMAGE,
    title="Scene 17",
    address="https://example.org/17",
    dated="2026-07-01",
    shows="The tower from above",
    archived_at="https://archive.example/17",
)
POINT = Point(50_450_033, 30_482_331)
texts = st.none() | st.text(min_size=1, max_size=20)


def entry_of(
    bench: Bench, entry_type: str = "evidence.finding_recorded"
) -> tuple[dict[str, object], dict[str, object]]:
    """Facts and opened fields of the item's last finding, or of another last entry of its."""
    query = text(
        "SELECT e.commitment, convert_from(b.body, 'UTF8') FROM ledger_entries e"
        " JOIN ledger_bodies b USING (commitment) WHERE stream_id = :item AND type = :type"
        " ORDER BY e.seq DESC LIMIT 1"
    )
    opened = text("SELECT convert_from(line, 'UTF8') FROM ledger_disclosures WHERE commitment = :commitment")
    with bench.sessions() as session:
        commitment, body = session.execute(query, {"item": bench.item, "type": entry_type}).one()
        lines = [json.loads(line) for line in session.scalars(opened, {"commitment": commitment})]
    return json.loads(body)["data"], {line["name"]: line["value"] for line in lines}


# --- references and points


def test_finding_when_it_refers_to_sources_and_items_then_kept_whole_and_sealed_but_for_kinds_and_ids(
    bench: Bench,
) -> None:
    bench.open(bench.olena)
    other = make_item(bench.sessions, bench.olena, bench.case_id)
    cited = Reference(SourceKind.EVIDENCE, evidence_id=other, shows="The same tower")
    made = bench.find(
        bench.olena,
        Dimension.LOCATION,
        place_precision=PlacePrecision.EXACT,
        point=POINT,
        references=(SCENE, cited),
    )
    assert [Reference.of(each) for each in made.sources or ()] == [SCENE, cited]
    data, opened = entry_of(bench)
    assert data["reference_kinds"] == ["satellite_image", "evidence"]
    assert data["cited"] == [str(other)]
    assert data["precision"] == "exact"
    assert opened["references"] == [SCENE.document(), cited.document()]
    assert opened["point"] == {"latitude_microdegrees": 50_450_033, "longitude_microdegrees": 30_482_331}
    assert "50450033" not in json.dumps(data)
    with bench.sessions() as session:
        assert session.get(FindingCitation, (made.id, other)) is not None


def test_finding_when_it_refers_to_an_item_elsewhere_then_refused_as_one_that_does_not_exist(bench: Bench) -> None:
    bench.open(bench.olena)
    elsewhere = make_case(bench.sessions, bench.coordinator, [])
    foreign = make_item(bench.sessions, bench.coordinator, elsewhere, is_compared=False)
    said = []
    for unknown in (foreign, new_id(), bench.item):
        with pytest.raises(ReferenceNotFound) as refused:
            bench.find(bench.olena, references=(Reference(SourceKind.EVIDENCE, evidence_id=unknown),))
        said.append(refused.value.detail.replace(str(unknown), "it"))
    assert said[0] == said[1] != said[2]
    assert "evidence.finding_recorded" not in bench.entry_types()


def test_citation_row_when_of_another_case_or_itself_then_the_database_refuses(bench: Bench) -> None:
    bench.open(bench.olena)
    made = bench.find(bench.olena)
    elsewhere = make_case(bench.sessions, bench.coordinator, [])
    foreign = make_item(bench.sessions, bench.coordinator, elsewhere, is_compared=False)
    for cited in (foreign, bench.item):
        with bench.sessions() as session:
            session.add(FindingCitation(finding_id=made.id, cited_id=cited))
            with pytest.raises(IntegrityError, match="other items of its own case"):
                session.flush()


@pytest.mark.parametrize(
    ("dimension", "precision"),
    [
        (Dimension.DATE, None),
        (Dimension.LOCATION, None),
        (Dimension.LOCATION, PlacePrecision.NONE),
        (Dimension.LOCATION, PlacePrecision.COUNTRY),
    ],
)
def test_point_when_of_another_dimension_or_without_how_near_then_refused(
    dimension: Dimension, precision: PlacePrecision | None
) -> None:
    with pytest.raises(PrecisionDoesNotFit):
        Stated(dimension=dimension, place_precision=precision, point=POINT).require_fit()


@pytest.mark.parametrize("result", FindingResult)
def test_methods_when_a_result_claims_something_then_needed(bench: Bench, result: FindingResult) -> None:
    stated = Stated(dimension=Dimension.DATE, result=result)
    if result in (FindingResult.NOT_ESTABLISHED, FindingResult.NOT_APPLICABLE):
        stated.require_fit()
    else:
        with pytest.raises(MethodsMissing):
            stated.require_fit()
        Stated(dimension=Dimension.DATE, result=result, methods=(Method.METADATA,)).require_fit()


def test_reference_when_an_old_plain_text_then_reads_as_some_source() -> None:
    assert Reference.of("https://example.org/x") == Reference(SourceKind.OTHER, address="https://example.org/x")
    assert Reference.of("Letter of the mayor") == Reference(SourceKind.OTHER, title="Letter of the mayor")


@given(
    st.builds(Reference, st.sampled_from(SourceKind), st.none() | st.uuids(), texts, texts, texts, texts, texts),
    st.none() | st.builds(Point, st.integers(-90_000_000, 90_000_000), st.integers(-180_000_000, 180_000_000)),
    st.none() | st.sampled_from(FindingResult),
    texts,
)
def test_statement_when_kept_as_json_and_read_then_the_same(
    reference: Reference, point: Point | None, result: FindingResult | None, rationale: str | None
) -> None:
    stated = Stated(
        dimension=Dimension.LOCATION,
        result=result,
        rationale=rationale,
        references=(reference,),
        place_precision=PlacePrecision.AREA,
        point=point,
    )
    assert Stated.of("location", json.loads(json.dumps(stated.document()))) == stated


def test_finding_s_entry_when_made_of_known_values_then_its_golden_bytes() -> None:
    """Written once, by hand compared with docs/ledger.md; a difference is another format."""
    draws = iter(f"{number:064x}" for number in range(1, 20))
    event = FindingRecorded(
        stream=UUID(int=1),
        actor=EntryActor(UUID(int=2), "user", "verifier"),
        object=EntryObject("evidence", UUID(int=1), 7),
        finding_id=UUID(int=3),
        round=1,
        dimension="location",
        result="established",
        confidence="high",
        methods=("landmark_match",),
        precision="exact",
        reference_kinds=("evidence",),
        cited=(UUID(int=4),),
        point=POINT._asdict(),
        rationale="The tower.",
        references=(Reference(SourceKind.EVIDENCE, evidence_id=UUID(int=4)).document(),),
    )
    recorded = datetime(2026, 7, 3, tzinfo=UTC)
    entry = seal_event(event, first_link(UUID(int=1)), log="log.example", recorded=recorded, draw=lambda: next(draws))
    assert entry.commitment == GOLDEN
    assert [disclosure.field for disclosure in entry.disclosures] == ["point", "rationale", "references"]
    assert entry.disclosures[2].line.decode() == (
        '{"name":"references","salt":"' + f"{3:064x}" + '","value":[{"evidence_id":'
        '"00000000-0000-0000-0000-000000000004","kind":"evidence"}]}'
    )


GOLDEN = "13428554930e278cf9abba663ded22c2b3de866f1a6f0fb24a08e32cf9197ceb"

# --- what is complete


def test_submit_when_the_policy_changed_during_the_round_then_the_one_in_force_decides_and_is_named(
    bench: Bench,
) -> None:
    bench.open(bench.olena)
    bench.find(bench.olena, Dimension.SOURCE)
    with pytest.raises(FindingsMissing):
        bench.submit(bench.olena)
    commit_in(
        bench.sessions,
        lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=Policy(("source",))),
    )
    assert bench.submit(bench.olena).policy_version == 2
    bench.withdraw(bench.olena)
    commit_in(
        bench.sessions,
        lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=2, policy=Policy(("source", "date"))),
    )
    bench.take(bench.olena)
    with pytest.raises(FindingsMissing) as refused:
        bench.submit(bench.olena)
    assert refused.value.extra == {"missing_dimensions": ["date"]}
    bench.find(bench.olena, Dimension.DATE)
    assert bench.submit(bench.olena).policy_version == 3
    with bench.sessions() as session:
        kept = session.scalars(text("SELECT policy_version FROM verdicts ORDER BY version")).all()
    assert kept == [2, 3]


@pytest.mark.parametrize("broken", ["version", "findings", "foreign finding"])
def test_verdict_row_when_incomplete_or_by_another_policy_then_the_database_refuses(bench: Bench, broken: str) -> None:
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    with bench.sessions() as session:
        findings = list(session.scalars(text("SELECT id FROM findings ORDER BY number")))
        named = {"version": findings, "findings": findings[1:], "foreign finding": [*findings, new_id()]}[broken]
        session.add(
            Verdict(
                id=new_id(), evidence_id=bench.item, round=1, version=1, outcome="verified", rationale="x",
                finding_ids=named, policy_version=2 if broken == "version" else 1, signature_mode="none",
                self_reviewed=False, author_id=bench.olena.account_id, submitted_at=bench.evidence().registered_at,
            )
        )  # fmt: skip
        session.flush()
        with pytest.raises(IntegrityError, match="rests on the item's findings"):
            session.execute(text("SET CONSTRAINTS verdicts_whole IMMEDIATE"))
