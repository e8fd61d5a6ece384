"""The claims of a file that identify a person, a place or a device: sealed in each item's own stream, once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.ledger.sealed_fields import sealed_entries
from app.media.claims import SealedClaim
from app.media.events import ClaimsRead
from app.media.items import entry_object
from app.media.models import Evidence
from app.media.service import system_actor
from app.unit_of_work import UnitOfWork


def seal_claims(uow: UnitOfWork, evidence_id: UUID, claims: Mapping[str, SealedClaim]) -> None:
    """An entry with those that this item's stream does not have yet; none when it has them all, so it may run twice.

    Once anything of them was erased, nothing is added any more: another decoder may find the same place under another
    name, and no later decoding may bring back what a custodian took out.
    """
    if not claims:
        return
    # Under the item's lock, as an erasure is: one of the two comes first and the other one sees it. A row that only
    # names the item (a match) does not wait: whoever seals for all items on the same bytes holds several of them.
    query = select(Evidence).where(Evidence.id == evidence_id).with_for_update(key_share=True)
    evidence = uow.session.scalars(query).one()
    earlier = sealed_entries(uow.session, evidence.id, ClaimsRead.TYPE)
    known = {field for entry in earlier for field in entry.fields}
    fresh = {name: claim for name, claim in claims.items() if name not in known}
    if not fresh or not all(entry.is_whole for entry in earlier):
        return
    values: dict[str, Any] = {name: claim.value for name, claim in fresh.items()}
    uow.record(
        ClaimsRead(
            stream=evidence.id,
            actor=system_actor(uow.session),
            object=entry_object(uow.session, evidence),
            sources={name: claim.source for name, claim in sorted(fresh.items())},
            **values,
        )
    )
