"""Reading what blobs are compared by: all their hashes, and the local features of frames that were proposed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select
from sqlalchemy.orm import Session

from app.fingerprints.algorithms.catalog import CATALOG, Catalog
from app.fingerprints.algorithms.local_features import LocalFeatures
from app.fingerprints.algorithms.pdq import PDQ
from app.fingerprints.decodings import in_force
from app.fingerprints.models import Fingerprint, LocalFeatureSet, RuleInForce
from app.fingerprints.pictures import PackedPictures
from app.fingerprints.prints import Print, Prints
from app.fingerprints.stop_list import is_stopped
from app.fingerprints.views import area_of, is_part
from app.kernel.database import is_among, is_one_of
from app.kernel.primitives import Sha256Hex
from app.media.frames import index_of
from app.media.models import Blob, Derivative


def prints_of(
    session: Session, blobs: Iterable[str], moments: Mapping[str, Collection[int]] | None, catalog: Catalog = CATALOG
) -> dict[str, Prints]:
    """What is in force of these blobs and not on the stop list, those without any hash or feature left out.

    ``moments``: of which frames the local features are read, of a blob that is not named there those of its first
    picture; None: of all frames."""
    wanted = sorted(blobs)
    if not wanted:
        return {}
    rows = session.execute(_PRINTS, {"digests": wanted})
    kinds = dict(session.execute(_KINDS, {"digests": wanted}).all())
    shown = _shown_of(session, wanted)
    sizes, pictures = _sizes_of(shown), _pictures_of(shown)
    features = _features_of(session, wanted, moments, catalog)
    grouped: dict[str, list[Print]] = {blob: [] for blob in features}
    for row in rows:
        one = Print(row.version, row.time_ms, row.view, row.value, row.quality)
        grouped.setdefault(row.blob_sha256, []).append(one)
    found = {
        blob: Prints(kinds.get(blob) == "video", prints, features.get(blob, ()), sizes.get(blob), pictures.get(blob))
        for blob, prints in grouped.items()
    }
    return without_stopped(session, found)


def without_stopped(session: Session, found: Mapping[str, Prints]) -> dict[str, Prints]:
    """The same without frames that people put on the stop list: neither their hashes nor their points count."""
    values = {one.value for prints in found.values() for one in prints.prints if one.version == PDQ.version}
    stopped = is_stopped(session, PDQ.version, list(values))
    if not stopped:
        return dict(found)
    return {blob: _without(prints, stopped) for blob, prints in found.items()}


def _without(prints: Prints, stopped: Collection[bytes]) -> Prints:
    """Where a part shows a stopped frame, the part alone: what is around it is another picture, and whoever puts a test
    card beside a picture does not hide it."""
    found = [one for one in prints.prints if one.version == PDQ.version and one.value in stopped]
    times = {one.time_ms for one in found if not is_part(one.view)}
    parts = {(one.time_ms, area_of(one.view)) for one in found if is_part(one.view)}

    def is_left(time_ms: int, area: str) -> bool:
        return time_ms not in times and (time_ms, area) not in parts

    return replace(
        prints,
        prints=[one for one in prints.prints if is_left(one.time_ms, area_of(one.view))],
        features=[one for one in prints.features if is_left(one.time_ms, one.view)],
    )


def _features_of(
    session: Session, blobs: list[str], moments: Mapping[str, Collection[int]] | None, catalog: Catalog
) -> dict[str, list[LocalFeatures]]:
    if moments is None:
        return _grouped(session.execute(_POINTS, {"digests": blobs, "rule": catalog.local_features}), catalog)
    by_times: dict[tuple[int, ...], list[str]] = {}
    for blob in blobs:
        by_times.setdefault(tuple(sorted(set(moments.get(blob) or (0,)))), []).append(blob)
    which = [
        and_(
            is_one_of(LocalFeatureSet.blob_sha256, some),
            LocalFeatureSet.time_ms.in_(times),
        )
        for times, some in by_times.items()
    ]
    return _grouped(session.execute(_points_query(or_(*which)), {"rule": catalog.local_features}), catalog)


def _points_query(which: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    return (
        select(LocalFeatureSet.blob_sha256, LocalFeatureSet.time_ms, LocalFeatureSet.view, LocalFeatureSet.points)
        .join(RuleInForce, in_force(LocalFeatureSet))
        .where(LocalFeatureSet.version == bindparam("rule"), which)
        .order_by(LocalFeatureSet.blob_sha256, LocalFeatureSet.time_ms, LocalFeatureSet.view)
    )


def _grouped(rows: Iterable[Any], catalog: Catalog) -> dict[str, list[LocalFeatures]]:
    found: dict[str, list[LocalFeatures]] = {}
    for row in rows:
        found.setdefault(row.blob_sha256, []).append(
            LocalFeatures(catalog.local_features, row.time_ms, row.points, row.view)
        )
    return found


def _shown_of(session: Session, blobs: Collection[str]) -> Sequence[Any]:
    """The previews of these blobs, and then their working pictures, the newest last."""
    return session.execute(_SHOWN, {"digests": list(blobs)}).all()


def _pictures_of(shown: Sequence[Any]) -> dict[str, PackedPictures]:
    """Where the newest working pictures of each lie."""
    return {
        row.blob_sha256: PackedPictures(
            Sha256Hex(row.sha256), {frame.time_ms: frame for frame in index_of(row.details)}
        )
        for row in shown
        if row.kind == "frames"
    }


def _sizes_of(shown: Sequence[Any]) -> dict[str, tuple[int, int]]:
    """Width and height of the working picture, else of the preview: as the picture is displayed, and as near to the
    decoder's size as is known."""
    return {
        row.blob_sha256: (int(row.details["width"]), int(row.details["height"]))
        for row in shown
        if {"width", "height"} <= row.details.keys()
    }


# Asked for every item that is compared: made anew they would take longer than their answers.
_PRINTS = (
    select(
        Fingerprint.blob_sha256,
        Fingerprint.version,
        Fingerprint.time_ms,
        Fingerprint.view,
        Fingerprint.value,
        Fingerprint.quality,
    )
    .join(RuleInForce, in_force())
    .where(is_among(Fingerprint.blob_sha256))
    .order_by(Fingerprint.blob_sha256, Fingerprint.version, Fingerprint.time_ms, Fingerprint.view)
)
_KINDS = select(Blob.sha256, Blob.kind).where(is_among(Blob.sha256))
_POINTS = _points_query(is_among(LocalFeatureSet.blob_sha256))
_SHOWN = (
    select(Derivative.blob_sha256, Derivative.sha256, Derivative.kind, Derivative.details)
    .where(is_among(Derivative.blob_sha256), Derivative.kind.in_(("frames", "preview")))
    .order_by(Derivative.kind.desc(), Derivative.made_at, Derivative.id.desc())
)
