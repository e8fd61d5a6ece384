"""A PDF 1.7 file, written object by object and never held: pages leave as they are full, fonts come last. Pure.

Same content, same bytes: no random id, no clock, no producer's version; the file's id is the digest of what the caller
names it by (ISO 32000-1, 7.5 and 14.4).
"""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

HEADER: Final = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_COMPRESSION = 6
_KIDS = 50
"""Pages under one node of the tree."""


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A line of the outline. ``level`` 0 is the outermost; ``top`` in points from the page's lower edge."""

    title: str
    level: int
    page: int
    top: float


class PdfFile:
    """Objects get their numbers as they are reserved; ``write`` is handed the file's bytes in order."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._at = 0
        self._offsets: dict[int, int] = {}
        self._last = 0
        self.catalog, self._tree = self.reserve(), self.reserve()
        self._pages: list[int] = []
        self._nodes: list[int] = []
        """Of the tree of pages: each has so many pages below it."""
        self._out(HEADER)

    def reserve(self) -> int:
        self._last += 1
        return self._last

    def add(self, body: str, number: int | None = None) -> int:
        """One object that is no stream."""
        own = self.reserve() if number is None else number
        self._offsets[own] = self._at
        self._out(f"{own} 0 obj\n{body}\nendobj\n".encode("latin-1"))
        return own

    def add_stream(self, head: str, content: bytes, number: int | None = None, *, is_packed: bool = False) -> int:
        """A stream, deflated unless it ``is_packed`` already. ``head``: its dictionary's other members."""
        own = self.reserve() if number is None else number
        packed = content if is_packed else zlib.compress(content, _COMPRESSION)
        how = "" if is_packed else "/Filter /FlateDecode "
        self._offsets[own] = self._at
        self._out(f"{own} 0 obj\n<< {head} {how}/Length {len(packed)} >>\nstream\n".encode("latin-1"))
        self._out(packed)
        self._out(b"\nendstream\nendobj\n")
        return own

    def add_jpeg(self, content: bytes) -> int:
        """A picture as it is: PDF takes JPEG's own bytes. Raises NotAJpeg."""
        width, height, channels = jpeg_size(content)
        space = {1: "/DeviceGray", 3: "/DeviceRGB"}[channels]
        head = (
            f"/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace {space} "
            "/BitsPerComponent 8 /Filter /DCTDecode"
        )
        return self.add_stream(head, content, is_packed=True)

    def add_page(self, size: tuple[float, float], content: bytes, fonts: str, images: Mapping[str, int]) -> int:
        """The next page; its number from 0."""
        drawn = self.add_stream("", content)
        named = " ".join(f"/{name} {number} 0 R" for name, number in sorted(images.items()))
        node = self._tree_node(len(self._pages) // _KIDS)
        page = self.add(
            f"<< /Type /Page /Parent {node} 0 R /MediaBox [0 0 {number_text(size[0])} {number_text(size[1])}] "
            f"/Resources << /Font << {fonts} >> /XObject << {named} >> >> /Contents {drawn} 0 R >>"
        )
        self._pages.append(page)
        return len(self._pages) - 1

    def _tree_node(self, number: int) -> int:
        while len(self._nodes) <= number:
            self._nodes.append(self.reserve())
        return self._nodes[number]

    @property
    def pages_count(self) -> int:
        return len(self._pages)

    def close(self, *, title: str, identity: bytes, made: datetime, bookmarks: Iterable[Bookmark]) -> None:
        """The tree of pages, the outline, what the file says of itself, and where everything begins."""
        for number, node in enumerate(self._nodes):
            kids = self._pages[number * _KIDS : (number + 1) * _KIDS]
            listed = " ".join(f"{kid} 0 R" for kid in kids)
            self.add(f"<< /Type /Pages /Parent {self._tree} 0 R /Count {len(kids)} /Kids [{listed}] >>", node)
        listed = " ".join(f"{node} 0 R" for node in self._nodes)
        self.add(f"<< /Type /Pages /Count {len(self._pages)} /Kids [{listed}] >>", self._tree)
        outline = self._add_outline(list(bookmarks))
        shown = "" if outline is None else f"/Outlines {outline} 0 R /PageMode /UseOutlines "
        self.add(
            f"<< /Type /Catalog /Pages {self._tree} 0 R {shown}/Lang (en) "
            "/ViewerPreferences << /DisplayDocTitle true >> >>",
            self.catalog,
        )
        info = self.add(f"<< /Title {text_string(title)} /CreationDate (D:{made:%Y%m%d%H%M%S}Z) >>")
        self._close_with(info, hashlib.sha256(identity).hexdigest()[:32])

    def _close_with(self, info: int, identity: str) -> None:
        start = self._at
        self._out(f"xref\n0 {self._last + 1}\n0000000000 65535 f \n".encode("ascii"))
        for number in range(1, self._last + 1):
            self._out(f"{self._offsets[number]:010d} 00000 n \n".encode("ascii"))
        self._out(
            f"trailer\n<< /Size {self._last + 1} /Root {self.catalog} 0 R /Info {info} 0 R "
            f"/ID [<{identity}> <{identity}>] >>\nstartxref\n{start}\n%%EOF\n".encode("ascii")
        )

    def _add_outline(self, bookmarks: list[Bookmark]) -> int | None:
        """Two levels: those of level 1 hang under the one of level 0 before them."""
        if not bookmarks:
            return None
        root, numbers = self.reserve(), [self.reserve() for _ in bookmarks]
        parents: list[int | None] = []
        above: int | None = None
        for place, mark in enumerate(bookmarks):
            above = place if mark.level == 0 else above
            parents.append(None if mark.level == 0 else above)
        children: dict[int | None, list[int]] = {}
        for place, parent in enumerate(parents):
            children.setdefault(parent, []).append(place)
        for parent, siblings in children.items():
            for at, place in enumerate(siblings):
                mark = bookmarks[place]
                parts = [f"/Title {text_string(mark.title)}"]
                parts.append(f"/Parent {root if parent is None else numbers[parent]} 0 R")
                parts.append(f"/Dest [{self._pages[mark.page]} 0 R /XYZ 0 {number_text(mark.top)} null]")
                if at:
                    parts.append(f"/Prev {numbers[siblings[at - 1]]} 0 R")
                if at + 1 < len(siblings):
                    parts.append(f"/Next {numbers[siblings[at + 1]]} 0 R")
                below = children.get(place, [])
                if below:
                    parts.append(f"/First {numbers[below[0]]} 0 R /Last {numbers[below[-1]]} 0 R")
                    parts.append(f"/Count -{len(below)}")
                self.add(f"<< {' '.join(parts)} >>", numbers[place])
        top = children[None]
        self.add(f"<< /First {numbers[top[0]]} 0 R /Last {numbers[top[-1]]} 0 R /Count {len(top)} >>", root)
        return root

    def _out(self, content: bytes) -> None:
        self._at += len(content)
        self._write(content)


def text_string(text: str) -> str:
    """UTF-16 with its mark, in hexadecimal: no character needs an escape (7.9.2.2)."""
    return f"<FEFF{text.encode('utf-16-be', 'replace').hex().upper()}>"


@lru_cache(maxsize=20_000)
def number_text(value: float) -> str:
    """At most two decimals, one spelling."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


class NotAJpeg(ValueError):
    """The bytes are no JPEG that a PDF can hold as it is."""


_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


def jpeg_size(content: bytes) -> tuple[int, int, int]:
    """Width and height in pixels, and channels (1 or 3), from the frame header (ITU-T T.81, B.2.2). Raises NotAJpeg."""
    at = 2
    if content[:2] != b"\xff\xd8":
        raise NotAJpeg("no start of image")
    while at + 9 < len(content):
        if content[at] != 0xFF:
            raise NotAJpeg("no marker where one must be")
        marker = content[at + 1]
        if marker in _ALONE or marker == 0xFF:
            at += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES:
            height, width, channels = struct.unpack(">HHB", content[at + 5 : at + 10])
            if channels not in (1, 3) or not (width and height):
                raise NotAJpeg("not grey or three colours")
            return width, height, channels
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    raise NotAJpeg("no frame header")
