"""The claims of a file that identify a person, a place or a device: sealed in each item's own stream, once of each
place in the file that states them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.ledger.sealed_fields import sealed_entries
from app.media.claims import SealedClaim, parted
from app.media.events import ClaimsRead
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork


def seal_claims(uow: UnitOfWork, evidence_id: UUID, claims: Iterable[SealedClaim]) -> None:
    """An entry with those that this item's stream does not have yet of their sources; none when it has them all, so it
    may run twice. A name that several places state has an entry for each: a field is sealed once in an entry, and each
    value can be disclosed and erased without the others.

    Once anything of them was erased, nothing is added any more: another decoder may find the same place under another
    name, and no later decoding may bring back what a custodian took out.
    """
    stated = tuple(claims)
    if not stated:
        return
    # Under the item's lock, as an erasure is: one of the two comes first and the other one sees it. A row that only
    # names the item (a match) does not wait: whoever seals for all items on the same bytes holds several of them.
    query = select(Evidence).where(Evidence.id == evidence_id).with_for_update(key_share=True)
    evidence = uow.session.scalars(query).one()
    earlier = sealed_entries(uow.session, evidence.id, ClaimsRead.TYPE)
    if not all(entry.is_whole for entry in earlier):
        return
    known = {named for entry in earlier if entry.body is not None for named in entry.body["data"]["sources"].items()}
    for part in parted(claim for claim in stated if (claim.name, claim.source) not in known):
        values: dict[str, Any] = {name: claim.value for name, claim in part.items()}
        uow.record(
            ClaimsRead(
                stream=evidence.id,
                actor=system_actor(uow.session),
                object=entry_object(uow.session, evidence),
                sources={name: claim.source for name, claim in sorted(part.items())},
                **values,
            )
        )
