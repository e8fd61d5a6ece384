"""The small pictures of a report: those that the worker made of decoded pixels and the ledger names, and no others.

Which derivative an item has is what its entries say (``evidence.derived``), and a picture is shown only if its bytes
have that digest; so the same entries give the same pictures, and nothing of an original is opened. They are shown in a
package that holds the originals (its asker may read them, its items are labelled, consent covers its audience), of the
items whose original is in it: not of one in quarantine, nor of one for which a redacted copy goes.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.blobs.store import BlobMissing
from app.exports.dossier import Dossier
from app.exports.report.blocks import Picture
from app.exports.report.pdf_file import NotAJpeg, jpeg_size
from app.exports.report.stories import ItemStory, Rendition
from app.kernel.database import read_session
from app.kernel.primitives import Sha256Hex, sha256_hex
from app.media.frames import opened
from app.media.models import Derivative
from app.media.previews import in_step

BLURRED = "blurred and grey"
NOT_SHOWN = {
    "without": "No picture: the package was asked for without originals.",
    "quarantine": "No picture: the item is in quarantine.",
    "not_here": "No picture: its original is not in this package.",
    "none": "No picture could be made of this file.",
}


class PictureBook:
    """Reads an item's pictures when they are wanted; keeps none."""

    def __init__(self, dossier: Dossier) -> None:
        self._dossier = dossier
        self._shown = {each.sha256 for each in dossier.media} if dossier.has_media else set[str]()

    def why_none(self, item: ItemStory) -> str | None:
        """In words why nothing of the item is shown; None: something may be."""
        if not self._dossier.has_media or self._dossier.blobs is None:
            return NOT_SHOWN["without"]
        if item.is_quarantined or item.state == "destroyed":
            return NOT_SHOWN["quarantine"]
        return None if item.sha256 in self._shown else NOT_SHOWN["not_here"]

    def contact_sheet(self, item: ItemStory) -> list[Picture]:
        """The small picture, and of a recording its frames in a row; blurred unless its labels say that nobody is
        hurt by looking."""
        if self.why_none(item) is not None:
            return []
        small = self.small(item, "The picture" if "strip" not in item.renditions else "A telling frame")
        strip = self._strip(item)
        return [each for each in (small, strip) if each is not None]

    def small(self, item: ItemStory, caption: str, *, beside: ItemStory | None = None) -> Picture | None:
        """``beside``: the other side of a match. It shows the same, so what one of the two must not show clearly the
        other must not either."""
        if self.why_none(item) is not None:
            return None
        is_clear = item.is_clear and (beside is None or beside.is_clear)
        rendition = item.renditions.get("thumbnail" if is_clear else "preview")
        jpeg = None if rendition is None else self._read(rendition)
        return None if jpeg is None else _picture(jpeg, _captioned(caption, is_clear))

    def _strip(self, item: ItemStory) -> Picture | None:
        rendition = item.renditions.get("strip")
        jpeg = None if rendition is None else self._read(rendition)
        if rendition is None or jpeg is None:
            return None
        details = self._details(rendition)
        tile = details.get("tile_width")
        if not item.is_clear:
            jpeg = in_step(opened(jpeg), "blurred", tile)
        seconds = [f"{time_ms / 1000:.1f}" for time_ms in details.get("times_ms", [])]
        told = f"Frames at {', '.join(seconds)} s" if seconds else "Frames in a row"
        return _picture(jpeg, _captioned(told, item.is_clear), tile)

    def _read(self, rendition: Rendition) -> bytes | None:
        """None when the file is gone, or has other bytes than the entry says. Raises BlobUnreadable."""
        assert self._dossier.blobs is not None
        try:
            content = b"".join(self._dossier.blobs.read_range(Sha256Hex(rendition.sha256)))
        except BlobMissing:
            return None
        return content if sha256_hex(content) == rendition.sha256 else None

    def _details(self, rendition: Rendition) -> Mapping[str, Any]:
        """How a strip's tiles lie: never changed once it is made."""
        wanted = select(Derivative.details).filter_by(id=UUID(rendition.derivative), sha256=rendition.sha256)
        with read_session(self._dossier.sessions) as session:
            return session.scalar(wanted) or {}


def _captioned(caption: str, is_clear: bool) -> str:
    return caption if is_clear else f"{caption}, {BLURRED}"


def _picture(jpeg: bytes, caption: str, tile: int | None = None) -> Picture | None:
    try:
        width, height, _ = jpeg_size(jpeg)
    except NotAJpeg:
        return None
    return Picture(jpeg, sha256_hex(jpeg), width, height, caption, tile)
