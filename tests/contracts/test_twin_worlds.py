"""What another case holds changes no answer to anybody who is not in it, but for what its notice and its entry tell.

The same is done in a case of two worlds. In the one a foreign case holds what is sent, or what it was cut from; in the
other it holds something else. Then everybody of the case, and a stranger to both, calls every operation.
"""

import re

import pytest

from tests.contracts.twins import CALLERS, Told, tell
from tests.support.databases import TestServer, create_database, drop_database

pytestmark = [pytest.mark.contract, pytest.mark.thorough]

AFTERWARDS = "match_across"
CUSTODY = frozenset({"coordinator", "custodian", "auditor"})
"""Of those who ask: who reads the case's custody log."""
TELLS = {
    **dict.fromkeys(("listNotices", "acknowledgeNotice"), frozenset({"coordinator"})),
    **dict.fromkeys(("listEvidenceCustody", "listIncidentCustody", "listCaseCustody"), CUSTODY),
}
"""What tells, and whom, that some other case has something like it: SECURITY.md says so. (Nobody signs checkpoints
here, so there are no files of custody logs; they hold the same entries.)"""
TELLING = re.compile(r"evidence\.(matched|compared)")


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
    assert {f"{asked}" for asked in differing if asked[2] not in TELLS.get(asked[0], ())} == set()
    told = {(operation, caller) for operation, _, caller, _ in differing}
    assert told == {(operation, caller) for operation, callers in TELLS.items() for caller in callers}


def test_custody_when_another_case_holds_the_same_then_one_word_tells_it_in_as_many_entries(
    worlds: tuple[Told, Told],
) -> None:
    def kinds(world: Told) -> dict[tuple[str, ...], list[str]]:
        pages = {asked: said for asked, said in world.answers.items() if asked[0] == "listEvidenceCustody"}
        return {asked: re.findall(r'"(?:type|seq)":([^,}]*)', TELLING.sub("", said)) for asked, said in pages.items()}

    same, other = (kinds(world) for world in worlds)
    assert same == other
    assert max(len(entries) for entries in same.values()) > 20


def test_jobs_when_another_case_holds_the_same_then_ask_the_database_the_same(worlds: tuple[Told, Told]) -> None:
    same, other = (
        {name: asked for name, asked in world.statements.items() if not name.startswith(AFTERWARDS)} for world in worlds
    )
    assert list(same) == list(other)
    assert {name.partition(" ")[0] for name in same} >= {"similar", "search_similar", "upload", "fingerprint", "match"}
    differing = {name: (same[name], other[name]) for name in same if same[name] != other[name]}
    assert not differing
