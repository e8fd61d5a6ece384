"""By which rule a pair of blobs is compared: the case's, and what became of the two since they were stored.

A blob that is decoded again resembles others by other frames; of one a frame may be stopped, or freed. What was stored
of a pair before stays under the name that it had, and is not taken for an answer any more: the name of a pair's rule
says by which decodings of the two it is compared, and the last change of the stop list that concerned one of them,
where there is such a thing. Decision 0050.
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.fingerprints.grounds import WITHOUT_PICTURES
from app.fingerprints.models import BlobStops
from app.kernel.database import is_among
from app.media.models import Evidence

DECODINGS, STOP_LIST = " decodings/", " stop_list/"


class Settled(NamedTuple):
    """A blob, the number of the decoding by which its items were settled, and the last change of the stop list that
    concerned it: with another number it has to be compared anew."""

    blob: str
    decoding: int = 1
    stops: int = 0


def pair_rule(rule: str, one: Settled, other: Settled) -> str:
    """The name of the rule by which the two are compared: the same for either direction."""
    low, high = sorted((one, other))
    if max(low.decoding, high.decoding) > 1:
        rule += f"{DECODINGS}{low.decoding},{high.decoding}"
    last = max(low.stops, high.stops)
    return f"{rule}{STOP_LIST}{last}" if last else rule


def rule_of_all(rule: str) -> str:
    """The name without what was added for a pair."""
    return rule.partition(DECODINGS)[0].partition(STOP_LIST)[0]


def stops_in(rule: str) -> int:
    """The change of the stop list that a pair's rule names; 0: none."""
    return int(rule.partition(STOP_LIST)[2].partition(" ")[0] or 0)


def lost_by(former: str, rule: str) -> str:
    """What became of a pair that was found by the one rule, and is not by the other: one of ``models.LOST_BY``."""
    former = former.removesuffix(WITHOUT_PICTURES)
    if rule_of_all(former) != rule_of_all(rule):
        return "rule"
    return "decoding" if stops_in(former) == stops_in(rule) else "stop_list"


def newest(settled: Iterable[Settled]) -> dict[str, Settled]:
    """Of each blob what became of it last."""
    return {one.blob: one for one in sorted(settled)}


def stops_of(session: Session, sha256: str) -> int:
    return stops_of_each(session, [sha256]).get(sha256, 0)


def stops_of_each(session: Session, blobs: Collection[str]) -> dict[str, int]:
    """Of those that a change concerned."""
    return dict(session.execute(_STOPS, {"digests": list(blobs)}).all())


_STOPS = select(BlobStops.blob_sha256, BlobStops.change).where(is_among(BlobStops.blob_sha256))


def stops_of_item() -> Any:
    """Of an item's blob, in a question about items."""
    query = select(BlobStops.change).where(BlobStops.blob_sha256 == Evidence.blob_sha256).correlate(Evidence)
    return func.coalesce(query.scalar_subquery(), 0)
