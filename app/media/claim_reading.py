"""An item's claims as they are shown: one by one, each with its source; what is sealed only to whoever may read it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.orm import Session

from app.access.actors import Actor
from app.access.rules import Operation
from app.kernel.errors import Forbidden
from app.ledger.sealed_fields import SealedEntry, sealed_entries
from app.media.agreement import TIMES, Stated, contradict, readings
from app.media.claims import GROUPS, SEALED
from app.media.errors import ClaimsNotRead, NoContent
from app.media.events import ClaimsRead
from app.media.items import find_evidence
from app.media.models import Decoding, Evidence
from app.media.moments import gps_moment, iso_moment
from app.media.reading import best_decoding, has_own_results

OF_TRACK = frozenset(
    {"width", "height", "rotation_degrees", "is_mirrored", "video_codec", "pixel_format", "frame_rate"}
)
"""Members of a video's claims that its track says, not the container."""
_ORDER = tuple(dict.fromkeys(GROUPS.values()))

Standing = Literal["open", "disclosed", "withheld", "erased"]


@dataclass(frozen=True)
class Claim:
    """One claim. ``value`` is None unless it is open or disclosed; ``commitment`` is of the entry that seals it."""

    name: str
    source: str
    value: str | int | bool | None
    standing: Standing
    moment: str | None = None
    """The same in ISO 8601, of a claim that is a time."""
    commitment: str | None = None
    contradicted_by: tuple[str, ...] = ()
    """The other sources that state otherwise, as far as their claims are shown beside this one."""


@dataclass(frozen=True)
class ItemClaims:
    evidence: Evidence
    decoder: str
    outcome: str
    claims: list[Claim]


def get_claims(session: Session, actor: Actor, evidence_id: UUID) -> ItemClaims:
    """Raises NotFound, Forbidden; NoContent for a lead, ClaimsNotRead before the item was decoded."""
    evidence, _ = find_evidence(session, actor, evidence_id, Operation.READ_METADATA)
    if evidence.blob_sha256 is None:
        raise NoContent("A lead has no bytes until its file is received.")
    # As everything that is kept with the bytes: not before the item itself was decoded.
    settled = evidence.settled_decoding or None
    decoding = best_decoding(session, evidence.blob_sha256, up_to=settled) if has_own_results(evidence) else None
    if decoding is None:
        raise ClaimsNotRead(
            f"They are read when the file is decoded; its fingerprinting is '{evidence.fingerprint_status}'."
        )
    entries = sealed_entries(session, evidence.id, ClaimsRead.TYPE)
    may_read = _may_read_original(session, actor, evidence_id)
    shown = [*_open_claims(decoding), *_sealed_claims(entries, may_read=may_read)]
    return ItemClaims(evidence, decoding.decoder, decoding.outcome, with_contradictions(shown))


def _may_read_original(session: Session, actor: Actor, evidence_id: UUID) -> bool:
    """Whoever may read the bytes could read these claims in them; nobody else is shown them."""
    try:
        find_evidence(session, actor, evidence_id, Operation.READ_ORIGINAL)
    except Forbidden:
        return False
    return True


def _open_claims(decoding: Decoding) -> Iterator[Claim]:
    is_movie = "video_codec" in decoding.claims
    for name, value in sorted(decoding.claims.items()):
        if name == SEALED:
            continue
        if not isinstance(value, dict):
            yield Claim(name, "track" if is_movie and name in OF_TRACK else "container", value, "open")
        elif name in GROUPS:
            yield from _of_group(name, value)


def with_contradictions(shown: Sequence[Claim]) -> list[Claim]:
    """The same; of those whose values are shown, which sources contradict which."""
    stated: dict[str, list[tuple[str, Stated]]] = {}
    for claim in shown:
        for quantity, value in _readings(claim).items():
            stated.setdefault(quantity, []).append((claim.source, value))
    return [
        replace(
            claim,
            contradicted_by=tuple(
                source
                for source in _ORDER
                if source != claim.source
                and any(
                    contradict(quantity, value, other)
                    for quantity, value in _readings(claim).items()
                    for by, other in stated[quantity]
                    if by == source
                )
            ),
        )
        for claim in shown
    ]


def _readings(claim: Claim) -> dict[str, Stated]:
    return {} if claim.value is None else readings(claim.name, claim.moment or claim.value)


def claimed_moments(claims: Mapping[str, Any]) -> list[Claim]:
    """Those of a decoding's open claims that are times."""
    groups = {name: value for name, value in claims.items() if name in GROUPS and isinstance(value, dict)}
    return [one for name, value in groups.items() for one in _of_group(name, value) if one.moment is not None]


def _of_group(group: str, stated: Mapping[str, Any]) -> Iterator[Claim]:
    prefix = "gps_" if group == "gps" else ""
    for name, value in sorted(stated.items()):
        yield Claim(f"{prefix}{name}", GROUPS[group], value, "open", _moment_of(group, name, stated))


def _moment_of(group: str, name: str, stated: Mapping[str, Any]) -> str | None:
    if group == "gps":
        return gps_moment(stated) if name == "time_utc" else None
    if name not in TIMES:
        return None
    beside = {part: stated.get(f"{name}_{part}") for part in ("offset", "subsecond")}
    return iso_moment(str(stated[name]), **{part: text for part, text in beside.items() if isinstance(text, str)})


def _sealed_claims(entries: list[SealedEntry], *, may_read: bool) -> list[Claim]:
    found = []
    for entry in entries:
        sources = {} if entry.body is None else entry.body["data"]["sources"]
        for name in entry.fields & sources.keys():
            standing: Standing = "erased" if name not in entry.opened else "disclosed" if may_read else "withheld"
            value = entry.opened[name] if standing == "disclosed" else None
            found.append(Claim(name, sources[name], value, standing, commitment=entry.commitment))
    return sorted(found, key=lambda claim: (claim.name, _ORDER.index(claim.source)))
