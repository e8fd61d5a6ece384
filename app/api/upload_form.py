"""The one form that uploads come in: part ``metadata`` first, part ``file`` second, parsed while it streams.

Bytes are pushed in as they arrive. Of the file no more is held than the reader leaves in the buffer; of the metadata at
most 64 kB. Source: RFC 7578.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.kernel.errors import AppError, Invalid

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

METADATA_LIMIT_BYTES = 64_000
FILE_NAME_LIMIT_CHARACTERS = 255
MEDIA_TYPE_LIMIT_CHARACTERS = 100
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")
"""``type/subtype`` (RFC 6838, 4.2)."""


class UnsupportedMediaType(AppError):
    code = "unsupported_media_type"
    status = 415
    title = "Send multipart/form-data or application/json"


class MalformedForm(AppError):
    code = "malformed_form"
    status = 400
    title = "The multipart body is not well formed"


class UploadIncomplete(AppError):
    code = "upload_incomplete"
    status = 400
    title = "The upload ended before it was complete"
    advice = "Send the whole file again: nothing of it was kept."


class MetadataTooLarge(AppError):
    code = "metadata_too_large"
    status = 413
    title = "Metadata may have 64 kB at the most"


class WrongParts(Invalid):
    code = "wrong_parts"
    title = "The form needs the parts 'metadata' and 'file', in this order, and no others"


class BadFileName(Invalid):
    code = "bad_file_name"
    title = "The file's name cannot be written down"


@dataclass(frozen=True)
class FilePart:
    """What the sender says of the file. Both are text to be kept, never a path or a type to be trusted."""

    name: str | None
    media_type: str | None


class UploadForm:
    """Push chunks in with :meth:`feed`; take the file's bytes out with :meth:`take`."""

    def __init__(self, boundary: bytes) -> None:
        self.metadata: bytes | None = None
        """All of the part ``metadata``, as soon as it ended."""
        self.file: FilePart | None = None
        """Set as soon as the file's part begins."""
        self.file_bytes = 0
        self.is_complete = False
        """Whether the form's last boundary came."""
        self._part = ""
        self._headers: dict[str, str] = {}
        self._header = ["", ""]
        self._metadata = bytearray()
        self._buffer = bytearray()
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError as error:
            raise MalformedForm("The boundary in the Content-Type header is too long.") from error

    def feed(self, chunk: bytes) -> None:
        """Raises MalformedForm, MetadataTooLarge, WrongParts, BadFileName."""
        if self.is_complete:
            return  # An epilogue, which RFC 2046 says to ignore.
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedForm("The body does not follow its boundary. Check Content-Type and line ends.") from error

    @property
    def buffered_bytes(self) -> int:
        return len(self._buffer)

    def take(self) -> bytearray:
        """The file's bytes that came since the last time."""
        taken, self._buffer = self._buffer, bytearray()
        return taken

    def _begin_part(self) -> None:
        self._headers = {}
        self._header = ["", ""]

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end].decode("latin-1")

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end].decode("latin-1")

    def _end_header(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = ["", ""]

    def _end_headers(self) -> None:
        disposition, options = parse_options_header(self._headers.get("content-disposition"))
        name = options.get(b"name", b"").decode("latin-1") if disposition == b"form-data" else ""
        expected = "metadata" if self.metadata is None else "file"
        if name != expected or self.file is not None:
            raise WrongParts(f"Part {name!a} came where {expected!a} or the end was expected.")
        self._part = name
        if name == "file":
            media_type, _ = parse_options_header(self._headers.get("content-type"))
            self.file = FilePart(_file_name(options.get(b"filename")), _media_type(media_type.decode("latin-1")))

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        if self._part == "file":
            self.file_bytes += end - start
            self._buffer += memoryview(data)[start:end]
            return
        if len(self._metadata) + end - start > METADATA_LIMIT_BYTES:
            raise MetadataTooLarge("The part 'metadata' is longer than 64,000 bytes.")
        self._metadata += memoryview(data)[start:end]

    def _end_part(self) -> None:
        if self._part == "metadata":
            self.metadata = bytes(self._metadata)
        self._part = ""

    def _end(self) -> None:
        self.is_complete = True


def boundary_of(content_type: str | None) -> bytes:
    """The boundary of a multipart/form-data request. Raises UnsupportedMediaType, MalformedForm."""
    media_type, options = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise UnsupportedMediaType("This operation takes multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise MalformedForm("The Content-Type header names no boundary.")
    return boundary


def is_json(content_type: str | None) -> bool:
    return parse_options_header(content_type)[0] == b"application/json"


def _file_name(raw: bytes | None) -> str | None:
    """The name as text. Raises BadFileName for control characters and for what is not UTF-8."""
    if not raw:
        return None
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFileName("The file's name must be UTF-8.") from error
    if len(name) > FILE_NAME_LIMIT_CHARACTERS:
        raise BadFileName(f"The file's name may have {FILE_NAME_LIMIT_CHARACTERS} characters at the most.")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise BadFileName("The file's name must not contain NUL or other control characters.")
    return name


def _media_type(claimed: str) -> str | None:
    """Nothing but a media type: it stays readable in the ledger, so that it must not carry free text."""
    return claimed if len(claimed) <= MEDIA_TYPE_LIMIT_CHARACTERS and _MEDIA_TYPE.fullmatch(claimed) else None
