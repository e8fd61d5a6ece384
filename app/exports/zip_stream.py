"""A zip with one spelling: the same members give the same bytes, and no byte is without meaning. Pure.

Every member is stored, none compressed; paths are ASCII and sorted by their bytes; times are 1980-01-01; there are no
directories, comments, data descriptors or extra fields but ZIP64's, and those only where a number needs them (APPNOTE
6.3.10, sections 4.3 to 4.5). A library's writer would do most of it, and might do it otherwise in its next release.
``verify.py`` writes these headers a second time, from the same description, and compares.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

STORED, DATE_1980 = 0, 0x0021
PLAIN, LARGE = 10, 45
"""The format's version that a reader needs: 1.0, or 4.5 for ZIP64."""
MADE_BY = 3 << 8 | LARGE
"""UNIX, so that the attributes below are read as a mode."""
ATTRIBUTES = 0o100644 << 16
"""A regular file that nobody else writes: no link, no device, nothing to run."""
LIMIT, COUNT_LIMIT = 0xFFFFFFFF, 0xFFFF
"""A number that is this large or larger stands in a ZIP64 field, and this in its place."""

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_LARGE_END = struct.Struct("<IQHHIIQQQQ")
_LARGE_END_AT = struct.Struct("<IIQI")


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its full path, its size in bytes and the CRC-32 of its bytes."""

    path: str
    size_bytes: int
    crc32: int


class MembersOutOfOrder(ValueError):
    """Two members are not sorted by the bytes of their paths, or have one path: a bug in the caller."""


class MemberChanged(ValueError):
    """A member's bytes are not those that were announced: what is written of the zip is thrown away."""


def write_zip(members: Callable[[], Iterable[Member]], content: Callable[[Member], Iterable[bytes]]) -> Iterator[bytes]:
    """The zip in pieces, in constant memory: ``members`` is gone through twice, each ``content`` is read once.

    Raises MembersOutOfOrder, MemberChanged.
    """
    at, previous = 0, ""
    for member in members():
        if member.path <= previous:
            raise MembersOutOfOrder(f"{member.path} after {previous}")
        previous = member.path
        yield local_header(member)
        left, crc32 = member.size_bytes, 0
        for chunk in content(member):
            left -= len(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            yield chunk
        if left or crc32 != member.crc32:
            raise MemberChanged(f"{member.path}: other bytes than announced, or {left} fewer")
        at += len(local_header(member)) + member.size_bytes
    yield from _directory(members(), at)


def local_header(member: Member) -> bytes:
    """What stands before a member's bytes."""
    path, is_large = member.path.encode("ascii"), member.size_bytes >= LIMIT
    size = LIMIT if is_large else member.size_bytes
    extra = struct.pack("<HHQQ", 1, 16, member.size_bytes, member.size_bytes) if is_large else b""
    version = LARGE if is_large else PLAIN
    return (
        _LOCAL.pack(
            *(0x04034B50, version, 0, STORED, 0, DATE_1980, member.crc32, size, size, len(path), len(extra)),
        )
        + path
        + extra
    )


def central_header(member: Member, at: int) -> bytes:
    """A member's line in the directory at the end; ``at``: where its local header begins."""
    path = member.path.encode("ascii")
    is_large, is_far = member.size_bytes >= LIMIT, at >= LIMIT
    size = LIMIT if is_large else member.size_bytes
    numbers = [*([member.size_bytes] * 2 if is_large else []), *([at] if is_far else [])]
    extra = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    version = LARGE if numbers else PLAIN
    return (
        _CENTRAL.pack(
            *(0x02014B50, MADE_BY, version, 0, STORED, 0, DATE_1980, member.crc32, size, size),
            *(len(path), len(extra), 0, 0, 0, ATTRIBUTES, LIMIT if is_far else at),
        )
        + path
        + extra
    )


def end_of_directory(count: int, size_bytes: int, at: int) -> bytes:
    """The zip's last bytes; the directory of ``count`` lines has ``size_bytes`` and begins at ``at``."""
    is_large = count >= COUNT_LIMIT or size_bytes >= LIMIT or at >= LIMIT
    large = b""
    if is_large:
        large = _LARGE_END.pack(0x06064B50, 44, MADE_BY, LARGE, 0, 0, count, count, size_bytes, at)
        large += _LARGE_END_AT.pack(0x07064B50, 0, at + size_bytes, 1)
    short, size, start = min(count, COUNT_LIMIT), min(size_bytes, LIMIT), min(at, LIMIT)
    return large + _END.pack(0x06054B50, 0, 0, short, short, size, start, 0)


def _directory(members: Iterable[Member], directory_at: int) -> Iterator[bytes]:
    at, count, size_bytes = 0, 0, 0
    for member in members:
        line = central_header(member, at)
        at += len(local_header(member)) + member.size_bytes
        count, size_bytes = count + 1, size_bytes + len(line)
        yield line
    if at != directory_at:
        raise MemberChanged("the members of the directory are not those that were written")
    yield end_of_directory(count, size_bytes, at)
