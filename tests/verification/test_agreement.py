"""Agreement of blind verifiers over HTTP: counted per item and dimension, for coordinators, undefined where it is."""

from datetime import timedelta
from typing import Any

import pytest

from app.kernel.primitives import utc_now
from app.verification.agreement import measure_agreement
from app.verification.rules import Dimension, FindingResult, Outcome
from tests.factories import NO_LABELS, make_item
from tests.support.api import Api
from tests.verification.bench import Bench
from tests.verification.test_blind import REQUIRED, set_blind, to_second_verdict


@pytest.mark.thorough
def test_agreement_when_rounds_are_complete_then_counts_each_pair_of_views_as_they_were(bench: Bench) -> None:
    set_blind(bench, version=1)
    began = utc_now()
    to_second_verdict(bench)
    once = utc_now()
    bench.item = make_item(bench.sessions, bench.olena, bench.case_id, labels=dict(NO_LABELS))
    bench.open(bench.taras)
    for dimension in REQUIRED:
        bench.find(bench.taras, dimension)
    bench.submit(bench.taras, outcome=Outcome.MANIPULATED)
    bench.take(bench.petro)
    bench.find(bench.petro, Dimension.DATE)  # Superseded by the next one, which alone counts.
    bench.find(bench.petro, Dimension.DATE, result=FindingResult.CONTRADICTED)
    bench.find(bench.petro, Dimension.LOCATION)
    bench.second(bench.petro, Outcome.VERIFIED)
    with bench.sessions() as session:
        found = measure_agreement(session, bench.coordinator, [bench.case_id], as_of=utc_now())
        before = measure_agreement(session, bench.coordinator, [bench.case_id], as_of=once)
        nothing = measure_agreement(session, bench.coordinator, [bench.case_id], as_of=began)
    assert (found.rounds, found.outcome.pairs, found.outcome.agreeing, found.outcome.kappa) == (2, 2, 1, 0)
    date, place = found.dimensions[Dimension.DATE], found.dimensions[Dimension.LOCATION]
    assert (date.pairs, date.agreeing) == (2, 1)
    assert (place.pairs, place.agreeing, place.undefined) == (2, 2, "no_variation")
    assert found.dimensions[Dimension.SOURCE].undefined == "no_pairs"
    assert (before.rounds, nothing.rounds) == (1, 0)


def test_agreement_when_asked_over_http_then_for_coordinators_of_every_named_case(api: Api) -> None:
    olena, petro = api.person("Olena"), api.person("Petro")
    mine, theirs = api.case(olena, verifier=(petro,)), api.case(petro)
    answer = olena.get("/v1/statistics/agreement", params={"case": mine}).json()
    assert (answer["case_ids"], answer["rounds"], answer["outcome"]["undefined"]) == ([mine], 0, "no_pairs")
    assert set(answer["dimensions"]) == {str(dimension) for dimension in Dimension}
    assert petro.get("/v1/statistics/agreement", params={"case": mine}).json()["code"] == "forbidden"
    assert olena.get("/v1/statistics/agreement", params={"case": f"{mine},{theirs}"}).json()["code"] == "not_found"


def test_agreement_when_asked_as_of_the_future_then_422_as_it_would_not_come_again(api: Api) -> None:
    olena = api.person("Olena")
    asked = {"case": api.case(olena)}
    now = olena.get("/v1/statistics/agreement", params=asked).json()["as_of"]
    assert olena.get("/v1/statistics/agreement", params={**asked, "as_of": now}).json()["as_of"] == now
    ahead = (utc_now() + timedelta(minutes=5)).isoformat()
    refused = olena.get("/v1/statistics/agreement", params={**asked, "as_of": ahead})
    assert (refused.status_code, refused.json()["code"]) == (422, "as_of_in_future")


@pytest.mark.parametrize("case", [None, "", "all", ",", "00000000-0000-0000-0000-000000000000," * 51])
def test_agreement_when_cases_are_not_named_well_then_422(api: Api, case: Any) -> None:
    answer = api.person("Olena").get("/v1/statistics/agreement", params={} if case is None else {"case": case})
    assert answer.status_code == 422, answer.text
