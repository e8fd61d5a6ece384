"""What taking an export leaves in the ledger."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from app.ledger.event import Event, sealed


@dataclass(frozen=True, kw_only=True)
class ExportCreated(Event):
    """In each stream of an item or incident that an export includes: how far the stream went just before.

    ``head``: the commitment of the stream's last entry before this one.
    """

    TYPE: ClassVar[str] = "export.created"
    scope: str
    format: str
    disclosed: bool
    """Whether the lines that open the sealed fields go with it."""
    entries: int
    head: str
    fields: tuple[str, ...] | None = None
    """Of a package that opens some sealed fields alone: which."""
    media: bool | None = None
    """Of a package: whether the item's original goes with it."""
    derivatives: bool | None = None
    """Whether redacted copies go with it in place of the original; absent when none do."""
    audience: str | None = None
    """Of a package: for whom it is made."""
    ended_log: str | None = None
    """The origin of the ended log whose part was taken, which the numbers are of; None: the log of this entry."""


@dataclass(frozen=True, kw_only=True)
class CaseExportCreated(Event):
    """In the case's stream, whether or not the export includes that stream: which streams and media it includes.

    Digests are of canonical JSON: ``[{stream, kind, entries, head}]`` and ``[sha256 …]``, sorted, before this entry.
    """

    TYPE: ClassVar[str] = "export.created"
    scope: str
    format: str
    disclosed: bool
    streams_count: int
    streams_sha256: str
    media_count: int
    media_sha256: str
    fields: tuple[str, ...] | None = None
    audience: str | None = None
    ended_log: str | None = None
    derivatives_count: int | None = None
    """Of a package with redacted copies in place of originals: how many; the digest is of ``[sha256 …]``, sorted."""
    derivatives_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Decided(Event):
    """In the case's stream. ``second_person``: the pseudonym of the one who asked."""

    second_person: UUID


@dataclass(frozen=True, kw_only=True)
class ExportApproved(_Decided):
    TYPE: ClassVar[str] = "export.approved"


@dataclass(frozen=True, kw_only=True)
class ExportRefused(_Decided):
    TYPE: ClassVar[str] = "export.refused"


@dataclass(frozen=True, kw_only=True)
class ExportSealed(Event):
    """In the case's stream: the payload's manifest, and the size of the tree that the package shows."""

    TYPE: ClassVar[str] = "export.sealed"
    manifest_sha256: str
    bag_info_sha256: str
    tree_size: int


@dataclass(frozen=True, kw_only=True)
class ExportDownloaded(Event):
    """In the case's stream; the object has the package's SHA-256 and size."""

    TYPE: ClassVar[str] = "export.downloaded"


@dataclass(frozen=True, kw_only=True)
class ExportReleased(Event):
    """In the case's stream: the case stands by the package. ``pins_sha256``: of the versions of items, verdicts and
    figures that it rests on, as canonical JSON."""

    TYPE: ClassVar[str] = "export.released"
    release: UUID
    manifest_sha256: str
    tree_size: int
    pins_sha256: str
    items: int
    figures: int
    policy_version: int


@dataclass(frozen=True, kw_only=True)
class ExportTransferred(Event):
    """In the case's stream; the object has the package's SHA-256 and size. ``public_key``: the counterparty's, with
    which the receipt has to be signed."""

    TYPE: ClassVar[str] = "export.transferred"
    transfer: UUID
    expires_at: datetime
    public_key: str | None = None
    counterparty: str = sealed()


@dataclass(frozen=True, kw_only=True)
class ExportTransferRevoked(Event):
    """In the case's stream: the token of the receipt works no more."""

    TYPE: ClassVar[str] = "export.transfer_revoked"
    transfer: UUID


@dataclass(frozen=True, kw_only=True)
class ExportAccepted(Event):
    """In the case's stream. The actor is whoever held the transfer's token: its id is the transfer's.

    ``package_sha256``: as the other side said it. ``signature``: hexadecimal, over the statement with this digest.
    """

    TYPE: ClassVar[str] = "export.accepted"
    transfer: UUID
    package_sha256: str
    statement_sha256: str
    signature: str | None = None
    public_key: str | None = None


@dataclass(frozen=True)
class StreamSpan:
    """A stream as an export includes it: its number of entries, and the commitment of the last one.

    ``integrated``: of a log that has ended, how many of them have a leaf; the others never get one.
    """

    stream: UUID
    kind: str
    entries: int
    head: str
    integrated: int | None = None

    def document(self) -> dict[str, str | int]:
        stands: dict[str, str | int] = {
            "stream": str(self.stream),
            "kind": self.kind,
            "entries": self.entries,
            "head": self.head,
        }
        return stands if self.integrated is None else {**stands, "integrated": self.integrated}

    def with_leaves(self) -> "StreamSpan":
        """As far as its entries are in the log's tree."""
        return self if self.integrated is None else replace(self, entries=self.integrated)
