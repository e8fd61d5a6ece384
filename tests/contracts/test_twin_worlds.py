"""What another case holds changes no answer to anybody who is not in it, but for the notice to coordinators.

The same is done in a case of two worlds. In the one a foreign case holds what is sent, or what it was cut from, and
more of it comes later; in the other it holds something else. Then everybody of the case, and a stranger to both, calls
every operation.
"""

import re
from itertools import zip_longest

import pytest

from tests.contracts.twins import CALLERS, Told, tell
from tests.support.databases import TestServer, create_database, drop_database

pytestmark = [pytest.mark.contract, pytest.mark.thorough]

AFTERWARDS = "match_across"
TELLS = {("listNotices", "coordinator"), ("acknowledgeNotice", "coordinator")}
"""What tells, and whom, that some other case has something like it. (Nobody signs checkpoints here, so there are no
files of custody logs; they hold the same entries as their pages.)"""


@pytest.fixture(scope="module")
def worlds(postgres: TestServer, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Told]:
    made = []
    for is_same in (True, False):
        database = create_database(postgres)
        made.append(tell(database, tmp_path_factory.mktemp("twins") / "data", is_same=is_same))
        with postgres.administration() as owner:
            drop_database(owner, database.name)
    return made[0], made[1]


def test_answers_when_another_case_holds_the_same_then_are_as_when_it_does_not(worlds: tuple[Told, Told]) -> None:
    same, other = (world.answers for world in worlds)
    assert same.keys() == other.keys()
    assert {caller for _, _, caller, _ in same} == set(CALLERS)
    differing = [asked for asked in same if same[asked] != other[asked]]
    leaks = [
        (asked, _where_apart(same[asked], other[asked])) for asked in differing if (asked[0], asked[2]) not in TELLS
    ]
    assert not leaks, leaks[0]
    assert {(operation, caller) for operation, _, caller, _ in differing} == TELLS


def _where_apart(one: str, other: str) -> tuple[str, str]:
    """The first words that differ."""
    pairs = zip_longest(re.split("[\n,]", one), re.split("[\n,]", other), fillvalue="")
    return next(pair for pair in pairs if pair[0] != pair[1])


def test_custody_when_items_were_compared_across_cases_then_it_says_that_they_were(worlds: tuple[Told, Told]) -> None:
    pages = [
        said for asked, said in worlds[0].answers.items() if asked[0] == "listEvidenceCustody" and asked[2] == "auditor"
    ]
    assert len([said for said in pages if "evidence.compared" in said]) > 3


def test_jobs_when_another_case_holds_the_same_then_ask_the_database_the_same(worlds: tuple[Told, Told]) -> None:
    same, other = (
        {name: asked for name, asked in world.statements.items() if not name.startswith(AFTERWARDS)} for world in worlds
    )
    assert list(same) == list(other)
    assert {name.partition(" ")[0] for name in same} >= {"similar", "search_similar", "upload", "fingerprint", "match"}
    differing = {name: (same[name], other[name]) for name in same if same[name] != other[name]}
    assert not differing
