"""No view without its own entry and its count, and none that keeps later ones from being entries: raw SQL as the
application's role, which has written some other entry in the same transaction."""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.cases.service import pseudonym_of
from app.ledger.event import EntryActor, Event
from app.media.events import EvidenceDownloaded, EvidenceLabelled, EvidenceViewed
from app.media.items import entry_object
from app.media.models import Evidence
from app.unit_of_work import UnitOfWork, unit_of_work
from tests.media.conftest import Receive
from tests.media.people import Hub
from tests.media.test_exposure import DOGS, look
from tests.support.api import Person

VIEW = text("INSERT INTO evidence_views VALUES (:item, :person, 'viewed', 'original', 'review', now())")
COUNT = text(
    "INSERT INTO exposures (account_id, day, evidence_id, case_id, labels, seconds, first_at, last_at)"
    " SELECT :person, CAST(now() AT TIME ZONE 'UTC' AS date) - CAST(:ago AS int), :item, :case, '{graphic_none}', 1,"
    " now(), now()"
)
LOOKED = {"rendering": "original", "bytes": 10, "purpose": "review"}


def entry(uow: UnitOfWork, hub: Hub, item: UUID, person: Person, kind: type[Event], **facts: Any) -> None:
    by = EntryActor(pseudonym_of(uow.session, UUID(hub.case_id), UUID(person.id)), "user", "verifier")
    uow.record(
        kind(stream=item, actor=by, object=entry_object(uow.session, uow.session.get_one(Evidence, item)), **facts)
    )


def refused_by(hub: Hub, item: UUID, *, by: Person, kind: type[Event], counted: int | None, **facts: Any) -> str | None:
    """By which constraint a view of the verifier's is refused that comes with this entry, counted so many days ago."""
    values = {"item": item, "person": hub.verifier.id, "case": hub.case_id}
    try:
        with unit_of_work(hub.api.app.state.services.sessions) as uow:
            uow.session.execute(VIEW, values)
            if counted is not None:
                uow.session.execute(COUNT, {**values, "ago": counted})
            entry(uow, hub, item, by, kind, **facts)
            uow.commit()
    except IntegrityError as refused:
        name: str | None = getattr(getattr(refused.orig, "diag", None), "constraint_name", None)
        return name
    return None


def test_view_row_when_its_entry_is_of_another_act_or_person_then_not_committed(hub: Hub, receive: Receive) -> None:
    item = UUID(receive(DOGS)["id"])
    own = "exhibit_own_entry"
    assert refused_by(hub, item, by=hub.verifier, kind=EvidenceLabelled, counted=0, labels={}) == own
    assert refused_by(hub, item, by=hub.verifier, kind=EvidenceDownloaded, counted=0, **LOOKED) == own
    assert refused_by(hub, item, by=hub.collector, kind=EvidenceViewed, counted=0, **LOOKED) == own
    assert refused_by(hub, item, by=hub.verifier, kind=EvidenceViewed, counted=0, **LOOKED) is None


def test_view_row_when_it_is_not_counted_or_for_another_day_then_not_committed(hub: Hub, receive: Receive) -> None:
    item = UUID(receive(DOGS)["id"])
    assert (
        refused_by(hub, item, by=hub.verifier, kind=EvidenceViewed, counted=None, **LOOKED) == "exhibit_view_is_counted"
    )
    assert (
        refused_by(hub, item, by=hub.verifier, kind=EvidenceViewed, counted=3, **LOOKED) == "ck_exposures_day_of_first"
    )


def test_view_when_a_clock_ran_ahead_then_the_next_look_is_an_entry_at_its_time_all_the_same(
    hub: Hub, receive: Receive
) -> None:
    """Once the window that began in the future is over, and not when the clock comes to it."""
    item = receive(DOGS)
    assert look(hub.verifier, item).status_code == 206
    provided = hub.api.app.state.services
    with unit_of_work(provided.sessions) as uow:
        ahead = text(
            "UPDATE evidence_views SET logged_at = now() + interval '30 days' RETURNING logged_at <= clock_timestamp()"
        )
        assert uow.session.scalars(ahead).all() == [True]
        entry(uow, hub, UUID(item["id"]), hub.verifier, EvidenceDownloaded, **LOOKED)
        uow.commit()
    no_window = provided.settings.model_copy(update={"view_window_s": 0})
    hub.api.app.state.services = replace(provided, settings=no_window)
    assert look(hub.verifier, item).status_code == 206
    entries = hub.coordinator.get(f"/v1/evidence/{item['id']}/custody", params={"limit": 200}).json()["items"]
    assert [each["type"] for each in entries].count("evidence.downloaded") == 3
