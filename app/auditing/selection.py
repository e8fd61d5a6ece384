"""What an auditor asks for: whose entries (the scope, which a right is needed for), and which of them (the filters).

An ``actor`` is named as entries name them: by the pseudonym in one case, or by the account in the installation's own
stream. No filter takes an account for its pseudonyms, so none joins a person's cases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.access.actors import Actor, require_organisation_auditor
from app.access.rules import Operation, OrganisationRole
from app.auditing.errors import ScopeNotNamed
from app.cases.service import NOWHERE, Grant, authorise
from app.kernel.errors import NotFound
from app.kernel.primitives import canonical_json, format_time, sha256_hex
from app.ledger.event import EntryActor

ScopeKind = Literal["organisation", "case", "stream"]
View = Literal["all", "access"]

ACCESS_TYPES = (
    *("evidence.viewed", "evidence.downloaded", "evidence.identity_unsealed"),
    *("incident.viewed_restricted", "incident.identity_unsealed"),
    *("export.created", "export.downloaded", "export.released", "export.transferred", "export.accepted"),
    *("export.log_made", "export.log_taken"),
)
"""Acts by which content, or a log of it, was shown to somebody or left the server."""

_STREAM = text("SELECT kind, case_id FROM ledger_streams WHERE id = :id")


@dataclass(frozen=True)
class Scope:
    """Whose entries. ``case_id`` None: of every case and the installation, or its own stream alone."""

    kind: ScopeKind
    case_id: UUID | None
    stream: UUID | None
    entry_actor: EntryActor
    """Who asks, as an entry in the scope's own stream names them."""
    grant: Grant | None
    """In the case; None: as the organisation's auditor."""

    @property
    def own_acts_of(self) -> UUID | None:
        """The one whose acts alone may be shown, if so."""
        return self.entry_actor.id if self.grant is not None and self.grant.own_only else None

    def document(self) -> dict[str, str]:
        named = self.stream or self.case_id
        return {"kind": self.kind} if named is None else {"kind": self.kind, "id": str(named)}


@dataclass(frozen=True)
class Filters:
    """Which entries of the scope. ``recorded_*`` limit when they were recorded, the last moment excluded."""

    actor: UUID | None = None
    object: UUID | None = None
    types: tuple[str, ...] = ()
    view: View = "all"
    recorded_from: datetime | None = None
    recorded_before: datetime | None = None

    @property
    def wanted_types(self) -> list[str] | None:
        """None: of every type."""
        if self.view == "all":
            return sorted(self.types) or None
        return sorted(set(ACCESS_TYPES) & set(self.types or ACCESS_TYPES))

    @property
    def reads_bodies(self) -> bool:
        """Whether an answer tells something of what stands in an entry that it does not show."""
        return self.narrows or self.recorded_from is not None or self.recorded_before is not None

    @property
    def narrows(self) -> bool:
        """Whether a file leaves entries out within its range. Times do not: they say what range that is."""
        return self.actor is not None or self.object is not None or self.wanted_types is not None

    def document(self) -> dict[str, Any]:
        """As the file's header has them, and a schedule's row."""
        given: dict[str, Any] = {
            "actor": None if self.actor is None else str(self.actor),
            "object": None if self.object is None else str(self.object),
            "types": self.wanted_types,
            "view": None if self.view == "all" else self.view,
            "recorded_from": None if self.recorded_from is None else format_time(self.recorded_from),
            "recorded_before": None if self.recorded_before is None else format_time(self.recorded_before),
        }
        return {name: value for name, value in given.items() if value is not None}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Filters":
        """What :meth:`document` wrote."""
        return cls(
            actor=None if "actor" not in document else UUID(document["actor"]),
            object=None if "object" not in document else UUID(document["object"]),
            types=tuple(document.get("types", ())),
            view=document.get("view", "all"),
        )


def asked_sha256(scope: Mapping[str, Any], filters: Mapping[str, Any]) -> str:
    """The digest by which an entry names what a log is of."""
    return sha256_hex(canonical_json({"asked": dict(filters), "scope": dict(scope)}))


def find_scope(
    session: Session,
    actor: Actor,
    case_id: UUID | None,
    stream: UUID | None,
    operation: Operation = Operation.READ_CUSTODY,
) -> Scope:
    """Raises NotFound for outsiders and what is not there, Forbidden, ScopeNotNamed; without case and stream Forbidden
    to all but the organisation's auditor."""
    if stream is not None:
        return _of_stream(session, actor, case_id, stream, operation)
    if case_id is not None:
        grant = authorise(session, actor, case_id, operation)
        return Scope("case", case_id, None, grant.entry_actor, grant)
    return Scope("organisation", None, None, require_organisation_auditor(actor), None)


def _of_stream(session: Session, actor: Actor, case_id: UUID | None, stream: UUID, operation: Operation) -> Scope:
    row = session.execute(_STREAM, {"id": stream}).one_or_none()
    if row is not None and row.case_id is None and case_id is None:
        if OrganisationRole.AUDITOR not in actor.organisation_roles:
            raise NotFound()
        return Scope("stream", None, stream, require_organisation_auditor(actor), None)
    grant = authorise(session, actor, NOWHERE if row is None or row.case_id is None else row.case_id, operation)
    if case_id is not None and case_id != grant.case_id:
        authorise(session, actor, case_id, operation)
        raise ScopeNotNamed("The stream is of another case of yours.")
    return Scope("stream", grant.case_id, stream, grant.entry_actor, grant)
