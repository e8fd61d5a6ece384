"""Byte ranges of a representation (RFC 9110, section 14): one range, or the whole."""

import re
from dataclasses import dataclass

from app.kernel.errors import AppError

_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")


class RangeNotSatisfiable(AppError):
    code = "range_not_satisfiable"
    status = 416
    title = "The file has no such bytes"


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``start`` to ``end`` (exclusive) of a file of ``size_bytes``."""

    start: int
    end: int
    size_bytes: int

    @property
    def length_bytes(self) -> int:
        return self.end - self.start

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size_bytes}"


def requested_range(header: str | None, if_range: str | None, etag: str, size_bytes: int) -> ByteRange | None:
    """The one range that is asked for; None: send the whole.

    Several ranges, other units and a stale ``If-Range`` are answered with the whole, as the RFC allows.
    Raises RangeNotSatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != etag):
        return None
    found = _RANGE.fullmatch(header.strip())
    if found is None or found.group(1, 2) == ("", ""):
        return None
    first, last = found.groups()
    if first == "":
        start, end = max(0, size_bytes - int(last)), size_bytes
    else:
        start, end = int(first), size_bytes if last == "" else min(int(last) + 1, size_bytes)
        if last != "" and int(last) < start:
            return None
    if start >= size_bytes or start >= end:
        raise RangeNotSatisfiable(
            f"The file has {size_bytes} bytes.", headers={"Content-Range": f"bytes */{size_bytes}"}
        )
    return ByteRange(start, end, size_bytes)
