"""Which items count as one: by decisions about matches, of a blind round only when both have submitted."""

from uuid import UUID

from app.cases.policy import Policy
from app.cases.service import change_policy
from app.figures.words import Measure
from app.fingerprints.finding import Compared
from app.fingerprints.grounds import SAME_PICTURE, Explanation, Ground
from app.fingerprints.keeping import store_matches
from app.fingerprints.pair_rules import Settled
from app.fingerprints.service import undecided_matches
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork
from tests.figures.desk import Desk
from tests.verification.bench import REQUIRED

SAME_CAPTURE = "same_capture"


def found_alike(desk: Desk, item: UUID, other: bytes) -> UUID:
    """The item and the one of these other bytes are found to be one picture; the match."""
    ground = Ground(algorithm="pdq", version="pdq/1", distance_bits=8, threshold_bits=31)
    explained: dict[str, Explanation | None] = {sha256_hex(other): Explanation(SAME_PICTURE, [ground], [])}

    def store(uow: UnitOfWork) -> object:
        evidence = uow.session.get_one(Evidence, item)
        assert evidence.blob_sha256 is not None
        found = Compared(Settled(Sha256Hex(evidence.blob_sha256)), "rule/1", frozenset(), explained)
        return store_matches(uow, evidence, found)

    desk.commit(store)
    with desk.bench.sessions() as session:
        (match,) = undecided_matches(session, item)
    return match


def verify_blind(desk: Desk) -> None:
    policy = Policy(required_dimensions=REQUIRED, blind_double_verification=True)
    bench = desk.bench
    desk.commit(lambda uow: change_policy(uow, bench.coordinator, bench.case_id, version=1, policy=policy))


def collapsed(desk: Desk) -> tuple[int | None, int | None]:
    total = desk.ask(Measure.ITEMS).total
    return total.count, total.collapsed


def test_items_when_joined_by_a_third_in_its_blind_round_then_count_as_one_once_both_have_submitted(desk: Desk) -> None:
    bench = desk.bench
    desk.verified(content=b"one")
    desk.verified(content=b"two")
    between = desk.item(b"between")
    desk.decide(found_alike(desk, between, b"one"), SAME_CAPTURE)
    assert collapsed(desk) == (2, 2)

    verify_blind(desk)
    bench.item = between
    bench.open(bench.olena)
    bench.find_all(bench.olena)
    desk.decide(found_alike(desk, between, b"two"), SAME_CAPTURE)
    bench.submit(bench.olena)
    assert bench.evidence().blind == "pending"
    assert collapsed(desk) == (2, 2)  # What the first decided is not told by a number either.

    bench.take(bench.petro)
    bench.find_all(bench.petro)
    bench.second(bench.petro)
    assert collapsed(desk) == (2, 1)
