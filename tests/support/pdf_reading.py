"""What somebody reads in one of our PDF files: its objects, its inflated streams, and the letters of its glyphs."""

import re
import zlib
from dataclasses import dataclass

_OBJECT = re.compile(rb"(\d+) 0 obj\n")
_STREAM = re.compile(rb"/Length (\d+) >>\nstream\n")
_SHOWN = re.compile(rb"/(F\d) [0-9.]+ Tf|<([0-9A-F]*)>(?=[^<>]*\] TJ|[^<>]*<[0-9A-F]*>)|(ET)")
_MAPPED = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")


@dataclass(frozen=True)
class PdfRead:
    objects: dict[int, bytes]
    """By number, the dictionary or other value."""
    streams: dict[int, bytes]
    """By number, inflated."""

    @property
    def pages(self) -> list[bytes]:
        """The drawing of each page, in order."""
        found = []
        for number in self._page_numbers():
            drawn = re.search(rb"/Contents (\d+) 0 R", self.objects[number])
            assert drawn is not None
            found.append(self.streams[int(drawn[1])])
        return found

    def _page_numbers(self) -> list[int]:
        return sorted(n for n, value in self.objects.items() if b"/Type /Page " in value)

    def text(self) -> str:
        """All letters as they are seen, a line for each run; letters from right to left stand in visual order."""
        letters = self._letters()
        lines = []
        for page in self.pages:
            font, run = b"", ""
            for name, glyphs, end in _SHOWN.findall(page):
                if name:
                    font = name
                elif end:
                    lines.append(run)
                    run = ""
                else:
                    run += "".join(letters[font].get(glyphs[at : at + 4], "") for at in range(0, len(glyphs), 4))
        return "\n".join(lines)

    def _letters(self) -> dict[bytes, dict[bytes, str]]:
        page = self.objects[self._page_numbers()[0]]
        found = {}
        for name, number in re.findall(rb"/(F\d) (\d+) 0 R", page):
            mapped = re.search(rb"/ToUnicode (\d+) 0 R", self.objects[int(number)])
            assert mapped is not None
            lines = _MAPPED.findall(self.streams[int(mapped[1])])
            found[name] = {glyph: bytes.fromhex(text.decode()).decode("utf-16-be") for glyph, text in lines}
        return found

    def everything(self) -> bytes:
        """Every object and inflated stream, and the text in several encodings and both directions."""
        text = self.text()
        shown = "\n".join((text, text[::-1], text.replace("\n", "")))
        parts = [*self.objects.values(), *self.streams.values(), shown.encode(), shown.encode("utf-16-be")]
        return b"\n".join(parts)


def read_pdf(content: bytes) -> PdfRead:
    """By the cross-reference table, whose every line must lead to its object."""
    start = int(content.rsplit(b"startxref\n", 1)[1].split(b"\n")[0])
    head, *rows = content[start:].split(b"\n")
    assert head == b"xref"
    count = int(rows[0].split()[1])
    objects, streams = {}, {}
    for number in range(1, count):
        at = int(rows[number + 1].split()[0])
        named = _OBJECT.match(content, at)
        assert named is not None
        assert int(named[1]) == number
        end = content.index(b"endobj", at)
        packed = _STREAM.search(content, named.end(), end)
        if packed is None:
            objects[number] = content[named.end() : end]
            continue
        objects[number] = content[named.end() : packed.start()]
        raw = content[packed.end() : packed.end() + int(packed[1])]
        streams[number] = zlib.decompress(raw) if b"/FlateDecode" in objects[number] else raw
    return PdfRead(objects, streams)
