"""The pure guards, one by one."""

from datetime import timedelta
from uuid import UUID

import pytest

from app.cases.policy import DIMENSIONS
from app.kernel.primitives import new_id, utc_now
from app.media.rules import State
from app.verification.errors import (
    FindingsMissing,
    LeaseNotHeld,
    MatchesUndecided,
    NotTheAuthor,
    SelfReview,
    ThirdPersonRequired,
)
from app.verification.rules import (
    Adjudication,
    Dimension,
    is_free,
    require_author,
    require_complete,
    require_decided,
    require_lease,
    require_not_author,
    require_third_person,
)

NOW = utc_now()
OLENA, PETRO, RITA = new_id(), new_id(), new_id()


def test_dimensions_when_compared_with_the_policy_then_the_same_words() -> None:
    assert tuple(Dimension) == DIMENSIONS


@pytest.mark.parametrize(
    ("holder", "seconds_left", "said"),
    [
        (None, None, "^Nobody holds the item's lease. Take it first"),
        (PETRO, 60, "^Another person holds the item's lease, until .*Wait"),
        (PETRO, -1, "^Nobody holds the item's lease. Take it first"),
        (OLENA, 0, "^Your lease has run out. Take it first"),
        (OLENA, -1, "^Your lease has run out"),
    ],
)
def test_lease_when_not_ones_own_or_run_out_then_refused_and_said_which(
    holder: UUID | None, seconds_left: int | None, said: str
) -> None:
    expires_at = None if seconds_left is None else NOW + timedelta(seconds=seconds_left)
    with pytest.raises(LeaseNotHeld, match=said):
        require_lease(holder, expires_at, OLENA, NOW)


def test_lease_when_ones_own_and_running_then_held_and_not_free() -> None:
    expires_at = NOW + timedelta(milliseconds=1)
    require_lease(OLENA, expires_at, OLENA, NOW)
    assert not is_free(OLENA, expires_at, NOW)
    assert is_free(OLENA, NOW, NOW)
    assert is_free(None, None, NOW)


def test_submission_when_findings_or_matches_are_open_then_they_are_named() -> None:
    require_complete(("date", "location"), {"location": 1, "date": 2, "content": 3})
    with pytest.raises(FindingsMissing) as missing:
        require_complete(("date", "location", "source"), {"location": 1})
    assert missing.value.extra == {"missing_dimensions": ["date", "source"]}
    require_decided([])
    with pytest.raises(MatchesUndecided) as undecided:
        require_decided([RITA])
    assert undecided.value.extra == {"undecided_matches": [str(RITA)]}


def test_persons_when_the_same_then_refused_and_authorship_outweighs_review() -> None:
    require_author(OLENA, OLENA)
    with pytest.raises(NotTheAuthor):
        require_author(PETRO, OLENA)
    require_not_author(PETRO, {OLENA})
    with pytest.raises(SelfReview):
        require_not_author(OLENA, {OLENA})
    require_third_person(RITA, {OLENA}, {PETRO})
    with pytest.raises(ThirdPersonRequired):
        require_third_person(PETRO, {OLENA}, {PETRO})
    with pytest.raises(SelfReview):
        require_third_person(PETRO, {PETRO}, {PETRO})


def test_adjudication_when_decided_then_leads_where_the_table_says() -> None:
    assert Adjudication.TO_SIGN_OFF.state is State.AWAITING_SIGN_OFF
    assert Adjudication.BACK.state is State.IN_VERIFICATION
