"""What a finding refers to: another item of the case, or a source outside of a coded kind. Pure.

As it is kept and sealed, a reference is a JSON object with what is known of it and nothing else. Findings from before
there were kinds refer in plain text; it reads as the title of a source of the kind ``other``.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID


class SourceKind(StrEnum):
    EVIDENCE = "evidence"
    """Another item of the same case."""
    SATELLITE_IMAGE = "satellite_image"
    MAP = "map"
    STREET_VIEW = "street_view"
    WEATHER_RECORD = "weather_record"
    REVERSE_IMAGE_SEARCH_RESULT = "reverse_image_search_result"
    NEWS_REPORT = "news_report"
    SOCIAL_MEDIA_POST = "social_media_post"
    OTHER = "other"


@dataclass(frozen=True)
class Reference:
    kind: SourceKind
    evidence_id: UUID | None = None
    """Of the kind ``evidence``, and of no other."""
    title: str | None = None
    address: str | None = None
    dated: str | None = None
    """The date of what is referred to, as far as it is known: ``2026``, ``2026-07`` or ``2026-07-01``."""
    shows: str | None = None
    """What in it bears on the finding."""
    archived_at: str | None = None
    """Where a copy of it is kept."""

    def document(self) -> dict[str, Any]:
        stated = {name: value for name, value in asdict(self).items() if value is not None}
        return {name: str(value) for name, value in stated.items()}

    @classmethod
    def of(cls, document: Mapping[str, Any] | str) -> Self:
        """Also of a plain text: an address, or the title of something."""
        if isinstance(document, str):
            if document.startswith(("https://", "http://")):
                return cls(SourceKind.OTHER, address=document)
            return cls(SourceKind.OTHER, title=document)
        stated = dict(document)
        evidence_id = stated.pop("evidence_id", None)
        kind = SourceKind(stated.pop("kind"))
        return cls(kind, None if evidence_id is None else UUID(str(evidence_id)), **stated)
