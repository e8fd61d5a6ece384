"""Which items of a case resemble one of them, or a file that is not kept."""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.fingerprints.models import Match
from app.fingerprints.reading import explained
from app.fingerprints.seeing import between_open, of_item
from app.fingerprints.similar_searches import found_in_case
from app.media.items import find_evidence
from app.media.models import Evidence
from app.search.errors import NotOfThisCase, SimilarSearchFailed, SimilarSearchPending

UNRELATED = "unrelated"


def similar_items(
    session: Session, actor: Actor, case_id: UUID, similar_to: UUID | None, similar_search: UUID | None
) -> Iterator[list[UUID]]:
    """The ids for each of the two that is asked for. Raises NotFound, NotOfThisCase, ConsentWithdrawn, NoSuchSearch,
    SimilarSearchPending, SimilarSearchFailed."""
    if similar_to is not None:
        yield _resembling(session, actor, case_id, similar_to)
    if similar_search is not None:
        yield _found_by_file(session, actor, case_id, similar_search)


def _resembling(session: Session, actor: Actor, case_id: UUID, evidence_id: UUID) -> list[UUID]:
    """Those on the same bytes, and those with a match that the rule in force finds still and that nobody decided to be
    of something else, as far as the asker may see the decision."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    if evidence.case_id != case_id:
        raise NotOfThisCase("'similar_to' is not an item of this case.")
    matches = session.scalars(select(Match).where(of_item(evidence_id), between_open())).all()
    found = set()
    for each in explained(session, matches, reader=actor.account_id):
        is_unrelated = each.decision is not None and not each.is_kept_back and each.decision.relation == UNRELATED
        if each.standing.still_found is not False and not is_unrelated:
            found |= {each.match.first_id, each.match.second_id}
    if evidence.blob_sha256 is not None:
        same = select(Evidence.id).where(Evidence.case_id == case_id, Evidence.blob_sha256 == evidence.blob_sha256)
        found.update(session.scalars(same))
    return sorted(found - {evidence_id})


def _found_by_file(session: Session, actor: Actor, case_id: UUID, search_id: UUID) -> list[UUID]:
    status, is_covered, found = found_in_case(session, actor, search_id, case_id)
    if status == "pending":
        raise SimilarSearchPending("No worker has come to it yet.", headers={"Retry-After": "1"})
    if status == "failed":
        raise SimilarSearchFailed("It was given up.")
    if not is_covered:
        raise NotOfThisCase("'similar_search' did not cover this case.")
    return found
